namespace Offload.Profiles.Hardware;

/// <summary>What a machine can do, measured on it or taken from data sheets. The names are those of the JSON file (docs/hardware-profiles.md).</summary>
public sealed record HardwareProfile
{
    /// <summary>For reports.</summary>
    public required string Name { get; init; }

    /// <summary>The GPU.</summary>
    public required GpuProfile Gpu { get; init; }

    /// <summary>CPU and memory.</summary>
    public required CpuProfile Cpu { get; init; }

    /// <summary>Drives; null: none are used.</summary>
    public SsdProfile? Ssd { get; init; }
}
