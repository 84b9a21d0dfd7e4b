using Offload.Storage.Devices;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>How a swapped model runs; none of it changes a bit.</summary>
internal sealed record SwapModelOptions
{
    /// <summary>Ceiling on CPU memory for all that the model allocates.</summary>
    public long CpuBytes { get; init; } = long.MaxValue;

    /// <summary>Ceiling on GPU memory, workspace included.</summary>
    public long GpuBytes { get; init; } = long.MaxValue;

    /// <summary>Makes the GPU tier, which the model then owns; null: it is in CPU memory, and the CPU computes.</summary>
    public Func<ISwapDevice>? CreateDevice { get; init; }

    /// <summary>Threads of the optimizer beside compute; null: as many as compute has.</summary>
    public int? UpdateThreads { get; init; }

    /// <summary>One operation at a time, in program order.</summary>
    public bool IsSequential { get; init; }

    /// <summary>Periods of which a trace is kept; 0: none.</summary>
    public int MaxTracePeriods { get; init; }

    /// <summary>Folders for activations and gradients on drives.</summary>
    public IReadOnlyList<string> ScratchFolders { get; init; } = [];

    /// <summary>Lays a device over that of each scratch file, for tests and measurements; null: none.</summary>
    public Func<IBlockDevice, IBlockDevice>? WrapScratch { get; init; }

    /// <summary>Rate to which copies to the GPU are slowed down, for tests and measurements; null: none.</summary>
    public double? H2dBytesPerSecond { get; init; }

    /// <summary>Rate to which copies from the GPU are slowed down; null: none.</summary>
    public double? D2hBytesPerSecond { get; init; }

    /// <summary>
    /// Called before each operation of each schedule, on its lane's thread, with its period in that schedule; what it throws is an error of the
    /// operation. For tests and measurements; null: none.
    /// </summary>
    public Action<Operation, long>? BeforeOperation { get; init; }

    /// <summary>Rate to which matrix products and attention are slowed down: each operation takes as long as its FLOPs would; null: none.</summary>
    public double? ComputeFlopsPerSecond { get; init; }

    /// <summary>Rate of GPU memory to which rounding, norms and updates there are slowed down; null: none.</summary>
    public double? GpuBytesPerSecond { get; init; }

    /// <summary>Parameters a second to which updates on the CPU are slowed down, and norms there to the bytes that such updates move; null: none.</summary>
    public double? UpdateParametersPerSecond { get; init; }
}
