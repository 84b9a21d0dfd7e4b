using System.Globalization;
using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using TorchSharp;

namespace Offload.Engine.Tests.Training;

/// <summary>Live tensors, native memory and resident memory stay the same over a run's steps, evaluations and checkpoints.</summary>
[Collection(nameof(ProcessWide))]
public sealed class GrowthTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>What the runtime's own heaps move by, however many steps there are.</summary>
    private const long NoiseBytes = 8 << 20;

    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData(ComputeType.Float32)]
    [InlineData(ComputeType.BFloat16)]
    public void Run_200Steps_NothingGrows(ComputeType type)
    {
        long buffersBefore = NativeBuffer.OutstandingBytes;
        long tensorsBefore = LiveTensors;
        var sizes = new Dictionary<long, (long Resident, long Buffers, long Tensors)>();
        TrainingOptions options = _run.Options("a", type) with { Steps = 200, EvalEverySteps = 10, CheckpointEverySteps = 10 };

        TinyRun.Train(options, report =>
        {
            if (report.Step is 50 or 200)
            {
                GC.Collect();
                sizes[report.Step] = (ResidentBytes(), NativeBuffer.OutstandingBytes, LiveTensors);
            }
        });

        output.WriteLine($"{type}: {sizes[50]} after 50 steps, {sizes[200]} after 200");
        Assert.InRange(sizes[200].Resident - sizes[50].Resident, long.MinValue, NoiseBytes);
        Assert.Equal(sizes[50].Buffers, sizes[200].Buffers);
        Assert.Equal(sizes[50].Tensors, sizes[200].Tensors);
        Assert.Equal(buffersBefore, NativeBuffer.OutstandingBytes);
        Assert.Equal(tensorsBefore, LiveTensors);
    }

    private static long LiveTensors => DisposeScopeManager.Statistics.ThreadTotalLiveCount;

    // Second field of statm: resident pages.
    private static long ResidentBytes() =>
        long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;
}
