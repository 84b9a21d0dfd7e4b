using BenchmarkDotNet.Attributes;

namespace Offload.Benchmarks;

/// <summary>What the memory gives. A method's name is its <see cref="TrafficKernel"/>.</summary>
public class StreamBenchmarks : TrafficBenchmark
{
    [Benchmark]
    public void SameMix() => Run(TrafficKernel.SameMix);

    [Benchmark]
    public void Copy() => Run(TrafficKernel.Copy);

    [Benchmark]
    public void Triad() => Run(TrafficKernel.Triad);
}
