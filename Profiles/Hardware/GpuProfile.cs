namespace Offload.Profiles.Hardware;

/// <summary>Rates of a GPU and of the bus that it hangs on.</summary>
public sealed record GpuProfile
{
    /// <summary>Memory, GiB.</summary>
    public required double MemoryGiB { get; init; }

    /// <summary>Rate of large bf16 matrix products with fp32 sums, 10^12 FLOP/s.</summary>
    public required double MatmulTflops { get; init; }

    /// <summary>Copies from CPU memory alone, GB/s.</summary>
    public required double H2dGBps { get; init; }

    /// <summary>Copies to CPU memory alone, GB/s.</summary>
    public required double D2hGBps { get; init; }

    /// <summary>Each direction while both are busy, GB/s.</summary>
    public required double DuplexGBps { get; init; }

    /// <summary>Bandwidth of its own memory, GB/s; null: element-wise work is taken to be free.</summary>
    public double? MemoryGBps { get; init; }

    /// <summary>Rate of attention's forward, 10^12 FLOP/s; null: <see cref="MatmulTflops"/>.</summary>
    public double? AttentionForwardTflops { get; init; }

    /// <summary>Rate of attention's backward, 10^12 FLOP/s; null: <see cref="MatmulTflops"/>.</summary>
    public double? AttentionBackwardTflops { get; init; }
}
