using BenchmarkDotNet.Attributes;
using Offload.Engine.Kernels;
using TorchSharp;

namespace Offload.Benchmarks;

/// <summary>Explicit forward and backward of a decoder layer against autograd's. <c>layer</c> compares the two interleaved, and their memory.</summary>
public class LayerBenchmarks : IDisposable
{
    private LayerWork? _work;

    /// <summary>Element type of compute.</summary>
    [Params(torch.ScalarType.Float32, torch.ScalarType.BFloat16)]
    public torch.ScalarType Type { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        RowBlocks.NumThreads = Environment.ProcessorCount;
        torch.set_num_threads(Environment.ProcessorCount);
        _work = new LayerWork(Type);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _work?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Explicit() => _work!.Explicit();

    [Benchmark(Baseline = true)]
    public void Autograd() => _work!.Autograd();
}
