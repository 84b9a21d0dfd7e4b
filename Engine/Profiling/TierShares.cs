namespace Offload.Engine.Profiling;

/// <summary>Shares of the parameters by the tier in which something of theirs lives; their sum is 1. Immutable.</summary>
/// <param name="Gpu">In GPU memory.</param>
/// <param name="Cpu">In CPU memory.</param>
/// <param name="Nvme">On drives.</param>
public sealed record TierShares(double Gpu, double Cpu, double Nvme);
