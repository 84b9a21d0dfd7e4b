namespace Offload.Profiles.Hardware;

/// <summary>Rates of the drives, all that are used taken together.</summary>
public sealed record SsdProfile
{
    /// <summary>Sequential reading alone, GB/s.</summary>
    public required double ReadGBps { get; init; }

    /// <summary>Sequential writing alone, sustained, GB/s.</summary>
    public required double WriteGBps { get; init; }

    /// <summary>Reading while writing goes on, GB/s.</summary>
    public required double MixedReadGBps { get; init; }

    /// <summary>Writing while reading goes on, GB/s.</summary>
    public required double MixedWriteGBps { get; init; }

    /// <summary>Room, GB; null: unknown.</summary>
    public double? CapacityGB { get; init; }

    /// <summary>Rated endurance, TB written, all drives together; null: unknown.</summary>
    public double? Tbw { get; init; }
}
