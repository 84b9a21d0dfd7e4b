using BenchmarkDotNet.Attributes;
using Offload.Engine.Parallelism;

namespace Offload.Benchmarks;

/// <summary>What the traffic benchmarks share: arrays of 64 Mi parameters (0.8 GiB of states), far beyond any cache, and the threads.</summary>
public abstract class TrafficBenchmark : IDisposable
{
    /// <summary>Parameters an operation works on.</summary>
    public const long NumElements = 64 << 20;

    private StreamWork? _work;
    private ParallelRanges? _threads;

    /// <summary>One thread and all.</summary>
    [ParamsSource(nameof(ThreadCounts))]
    public int Threads { get; set; }

    /// <summary>Type of the gradients.</summary>
    [Params(true, false)]
    public bool BFloat16Gradient { get; set; }

    public static IEnumerable<int> ThreadCounts => Environment.ProcessorCount == 1 ? [1] : [1, Environment.ProcessorCount];

    [GlobalSetup]
    public void Setup()
    {
        _work = new StreamWork(NumElements, hugePages: true);
        _work.FillGradients(BFloat16Gradient);
        _threads = new ParallelRanges(Threads);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _threads?.Dispose();
        _work?.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected void Run(TrafficKernel kernel) => _work!.Run(_threads!, kernel, BFloat16Gradient, 0, NumElements);
}
