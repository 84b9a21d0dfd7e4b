namespace Offload.Swap.Schedules;

/// <summary>Where bytes live.</summary>
public enum Tier : byte
{
    /// <summary>GPU memory.</summary>
    Gpu,

    /// <summary>CPU memory.</summary>
    Cpu,

    /// <summary>The drives.</summary>
    Nvme,
}
