namespace Offload.Storage.Benchmarks;

/// <summary>Medians of all rounds of one pattern over one layer.</summary>
/// <param name="Pattern">What was done.</param>
/// <param name="Layer">By what.</param>
/// <param name="ReadGBps">10^9 bytes a second; null: nothing was read.</param>
/// <param name="WriteGBps">10^9 bytes a second; null: nothing was written.</param>
/// <param name="OfDevice">Bytes a second, both directions together, as a share of the device's: the median of the rounds' ratios, for a drive's speed may drift from round to round. 1 for the device itself.</param>
/// <param name="CpuSecondsPerGB">Of the whole process, kernel included.</param>
/// <param name="Rounds">The single rounds, in order.</param>
public sealed record BenchmarkRow(
    BenchmarkPattern Pattern, BenchmarkLayer Layer, double? ReadGBps, double? WriteGBps, double OfDevice, double CpuSecondsPerGB, IReadOnlyList<BenchmarkPass> Rounds);
