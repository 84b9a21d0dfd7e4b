namespace Offload.Swap.Planning.Costs;

/// <summary>What a hardware profile does not say about the time of an operation.</summary>
public sealed record CostOptions
{
    /// <summary>
    /// Part of <c>gpu.matmulTflops</c> (and of attention's rates) that a layer's operations reach together; 1 for a measured profile, whose rate
    /// is that already, less for a data sheet's peak.
    /// </summary>
    public double ComputeEfficiency { get; init; } = 1;

    /// <summary>
    /// Seconds that every operation takes on top of its work: waking its lane's thread (20 us measured for a hand-over between two threads) and
    /// starting the work (launches, a system call).
    /// </summary>
    public double OperationSeconds { get; init; } = 30e-6;

    /// <summary>Seconds of making a step durable: flush, record, flush. A few milliseconds on consumer drives, well below one on those with capacitors.</summary>
    public double CommitSeconds { get; init; } = 5e-3;

    /// <summary>Probability that a guarded operation runs: part of the steps whose gradients are clipped or that are skipped.</summary>
    public double RedoneFraction { get; init; } = 0.05;
}
