using Offload.Engine.Parallelism;

namespace Offload.Engine.Tests.Parallelism;

public sealed class ParallelRangesTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 10)]
    [InlineData(2, 1)]
    [InlineData(3, 100)]
    [InlineData(3, 101)]
    [InlineData(8, 1000)]
    public void Run_AnyCount_DoesEachElementOnce(int numThreads, int count)
    {
        using var threads = new ParallelRanges(numThreads);
        for (int repeat = 0; repeat < 50; repeat++)
        {
            int[] done = new int[count];
            threads.Run(new Work((block, start, length) =>
            {
                Assert.Equal(block * 10, start);
                Assert.Equal(Math.Min(10, count - start), length);
                for (long i = start; i < start + length; i++)
                {
                    Interlocked.Increment(ref done[i]);
                }
            }), count, blockElements: 10);
            Assert.All(done, times => Assert.Equal(1, times));
        }
    }

    [Fact]
    public void Run_SlowFirstBlock_OtherThreadsDoTheRest()
    {
        using var threads = new ParallelRanges(2);
        using var restDone = new CountdownEvent(9);
        bool restDoneInTime = false;
        threads.Run(new Work((block, _, _) =>
        {
            if (block == 0)
            {
                restDoneInTime = restDone.Wait(TimeSpan.FromSeconds(30));
            }
            else
            {
                restDone.Signal();
            }
        }), 10, blockElements: 1);
        Assert.True(restDoneInTime);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Run_BlockThrows_ThrowsThatAndTheNextRunIsWhole(int numThreads)
    {
        using var threads = new ParallelRanges(numThreads);
        var failure = Assert.Throws<InvalidDataException>(() =>
            threads.Run(new Work((block, _, _) => _ = block == 3 ? throw new InvalidDataException("third") : 0), 100, 10));
        Assert.Equal("third", failure.Message);
        int numDone = 0;
        threads.Run(new Work((_, _, _) => Interlocked.Increment(ref numDone)), 100, 10);
        Assert.Equal(10, numDone);
    }

    [Fact]
    public void Run_FromSeveralThreads_TakesTurns()
    {
        using var threads = new ParallelRanges(2);
        long sum = 0;
        Parallel.For(0, 8, _ => threads.Run(new Work((_, _, length) => Interlocked.Add(ref sum, length)), 1000, 7));
        Assert.Equal(8000, sum);
    }

    [Fact]
    public void Run_AfterDispose_Throws()
    {
        var threads = new ParallelRanges(2);
        threads.Dispose();
        threads.Dispose();
        Assert.Throws<ObjectDisposedException>(() => threads.Run(new Work((_, _, _) => { }), 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParallelRanges(0));
    }

    private sealed class Work(Action<long, long, int> block) : IRangeWork
    {
        public void RunBlock(long blockIndex, long start, int count) => block(blockIndex, start, count);
    }
}
