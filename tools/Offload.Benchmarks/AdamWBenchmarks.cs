using BenchmarkDotNet.Attributes;

namespace Offload.Benchmarks;

/// <summary>The optimizer pass and the norm pass before it. A method's name is its <see cref="TrafficKernel"/>.</summary>
public class AdamWBenchmarks : TrafficBenchmark
{
    [Benchmark]
    public void AdamW() => Run(TrafficKernel.AdamW);

    [Benchmark]
    public void GradientNorm() => Run(TrafficKernel.GradientNorm);
}
