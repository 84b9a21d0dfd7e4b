using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;

namespace Offload.Engine.Tests.Optimizers;

public sealed class ParallelAdamWTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Update_AnyNumberOfThreads_GivesTheReferenceBits(int numThreads)
    {
        AdamWArrays actual = AdamWArrays.Ordinary(200_003, seed: 21);
        AdamWArrays expected = actual.Copy();
        var step = new AdamWStep(new AdamWOptions(), 1e-3, 3);
        using var threads = new ParallelRanges(numThreads);
        var update = new ParallelAdamW(threads);
        foreach (bool bfloat16 in (bool[])[true, false, true])
        {
            AdamWReference.Update(step, expected.States, expected.States, expected.GradientOf(bfloat16), expected.Length);
            update.Update(step, actual.States, actual.States, actual.GradientOf(bfloat16), actual.Length);
            expected.AssertSameStates(actual);
        }
    }

    [Fact]
    public void Update_SteadyState_AllocatesNothingPerCall()
    {
        AdamWArrays arrays = AdamWArrays.Ordinary(100_000, seed: 22);
        var step = new AdamWStep(new AdamWOptions(), 1e-3, 3);
        using var threads = new ParallelRanges(3);
        var update = new ParallelAdamW(threads);
        const int numCalls = 100;
        long before = 0;
        for (int call = -10; call < numCalls; call++)
        {
            if (call == 0)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            update.Update(step, arrays.States, arrays.States, arrays.GradientOf(bfloat16: true), arrays.Length);
        }

        // Waiting may make an object of the runtime's own once a thread; the smallest object has 24 bytes.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, numCalls * 24 / 4);
    }
}
