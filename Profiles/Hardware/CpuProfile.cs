namespace Offload.Profiles.Hardware;

/// <summary>Rates of the CPU and its memory.</summary>
public sealed record CpuProfile
{
    /// <summary>Memory, GiB.</summary>
    public required double MemoryGiB { get; init; }

    /// <summary>AdamW updates, 10^9 parameters a second, all cores, nothing else at work.</summary>
    public required double AdamGParamsPerSecond { get; init; }

    /// <summary>Bandwidth of the memory, reads and writes together, GB/s; null: nothing is taken to contend for it.</summary>
    public double? MemoryGBps { get; init; }

    /// <summary>Cores; null: unknown.</summary>
    public int? Cores { get; init; }
}
