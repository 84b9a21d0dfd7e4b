using Offload.Profiles.Hardware;

namespace Offload.Storage.Benchmarks;

/// <summary>What a <see cref="StorageBenchmark"/> found.</summary>
/// <param name="Ssd">
/// The store's rates, for a hardware profile: the traffic that a plan predicts is the store's, checksums and all. What a slower processor makes of a
/// fast drive is in them.
/// </param>
/// <param name="IsDirect">False: transfers went through the page cache at least at one folder, and the rates are not the drives'.</param>
/// <param name="Rows">All patterns over all layers.</param>
/// <param name="FirstQuarterWriteGBps">10^9 bytes a second while the first quarter of the files was written, all drives added up.</param>
/// <param name="LastQuarterWriteGBps">The same of the last quarter.</param>
/// <param name="StripeBytes">Width of each drive's stripes; empty for a single one.</param>
/// <param name="BlockBytes">Size of requests.</param>
/// <param name="TileBytes">Size of the store's tiles.</param>
/// <param name="BytesWritten">What the benchmark wrote to the drives.</param>
/// <param name="Drives">What the system tells of them.</param>
/// <param name="Devices">How the files were opened, in the same order.</param>
/// <param name="Kernel">What the kernel allows.</param>
public sealed record StorageBenchmarkResult(
    SsdProfile Ssd,
    bool IsDirect,
    IReadOnlyList<BenchmarkRow> Rows,
    double FirstQuarterWriteGBps,
    double LastQuarterWriteGBps,
    IReadOnlyList<int> StripeBytes,
    int BlockBytes,
    int TileBytes,
    long BytesWritten,
    IReadOnlyList<DriveFacts> Drives,
    IReadOnlyList<OpenedDevice> Devices,
    KernelFacts Kernel)
{
    // Drives and virtual machines waver by some percent from one second to the next.
    private const double NoticeableRatio = 1.2;

    /// <summary>
    /// Whether the first and the last quarter were written at rates more than a fifth apart. A faster first one is a drive's write cache that
    /// fills up: what lasts is slower than a short measurement tells, and one of a larger size is nearer to it.
    /// </summary>
    public bool IsWriteUneven => Math.Max(FirstQuarterWriteGBps, LastQuarterWriteGBps) > NoticeableRatio * Math.Min(FirstQuarterWriteGBps, LastQuarterWriteGBps);
}
