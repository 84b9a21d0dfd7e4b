namespace Offload.Swap.Schedules;

/// <summary>A resource that does one operation at a time, in the order of the schedule.</summary>
public enum Lane : byte
{
    /// <summary>Forward and backward: kernels of the GPU, or the compute threads of the CPU.</summary>
    Compute,

    /// <summary>CPU memory to GPU memory.</summary>
    H2D,

    /// <summary>GPU memory to CPU memory.</summary>
    D2H,

    /// <summary>NVMe to CPU memory.</summary>
    SsdRead,

    /// <summary>CPU memory to NVMe.</summary>
    SsdWrite,

    /// <summary>The optimizer on the CPU.</summary>
    CpuUpdate,

    /// <summary>Other nodes.</summary>
    Network,
}
