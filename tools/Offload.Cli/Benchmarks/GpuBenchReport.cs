using Offload.Profiles.Hardware;

namespace Offload.Cli.Benchmarks;

/// <summary>Results of the suite. Immutable.</summary>
/// <param name="Device">Value of <c>--device</c>.</param>
/// <param name="Hardware">Whose rates floors and predictions go by.</param>
/// <param name="Rows">Those that were measured, in order.</param>
internal sealed record GpuBenchReport(string Device, HardwareProfile Hardware, IReadOnlyList<GpuBenchResult> Rows);
