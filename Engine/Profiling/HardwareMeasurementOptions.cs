using Offload.Engine.Models;
using Offload.Engine.Training;

namespace Offload.Engine.Profiling;

/// <summary>What a <see cref="HardwareMeasurement"/> measures. Immutable.</summary>
public sealed record HardwareMeasurementOptions
{
    /// <summary>Default of <see cref="SecondsEach"/>: medians of tens of samples, and half a minute in all.</summary>
    public const double DefaultSecondsEach = 2;

    /// <summary>
    /// Default of <see cref="WorkingSetBytes"/>: far beyond the caches of common processors, little against their memory. A server's last-level
    /// cache may be larger than half of it: there a larger one is more honest.
    /// </summary>
    public const long DefaultWorkingSetBytes = 512L << 20;

    /// <summary>The same for a machine with a GPU: servers' last caches have up to a GiB.</summary>
    private const long DefaultServerWorkingSetBytes = 4L << 30;

    /// <summary>Name of the profile; null: the GPU's, or the processor's.</summary>
    public string? Name { get; init; }

    /// <summary>What computes.</summary>
    public ComputeDevice Device { get; init; } = ComputeDevice.Cpu;

    /// <summary>Which GPU, from 0; nothing on the CPU.</summary>
    public int GpuOrdinal { get; init; }

    /// <summary>Type of the compute, and of gradients.</summary>
    public required ComputeType Type { get; init; }

    /// <summary>Threads of compute and of updates.</summary>
    public required int Threads { get; init; }

    /// <summary>Time for each rate, its warm-up apart.</summary>
    public double SecondsEach { get; init; } = DefaultSecondsEach;

    /// <summary>Memory that copies and updates go over, at most.</summary>
    public long WorkingSetBytes { get; init; } = DefaultWorkingSetBytes;

    /// <summary>Width of the matrices that are multiplied on the CPU: that of a small model's hidden states, where the rate no longer grows with it.</summary>
    public int MatrixWidth { get; init; } = 2048;

    /// <summary>Rows that they are multiplied by, and tokens of the sequence that attention is measured on there.</summary>
    public int Tokens { get; init; } = 1024;

    /// <summary>Folders, one on each drive; empty: drives are not measured.</summary>
    public IReadOnlyList<string> NvmeFolders { get; init; } = [];

    /// <summary>Size of the temporary files there, all together.</summary>
    public long StorageBytes { get; init; } = Storage.Benchmarks.StorageBenchmarkOptions.DefaultSizeBytes;

    /// <summary>Default of <see cref="WorkingSetBytes"/>: on a machine with a GPU 4 GiB, or an eighth of what is free if that is less.</summary>
    /// <param name="device">What computes.</param>
    public static long DefaultWorkingSet(ComputeDevice device) => device == ComputeDevice.Cuda
        ? Math.Max(DefaultWorkingSetBytes, Math.Min(DefaultServerWorkingSetBytes, CpuMemory.AvailableBytes() / 8))
        : DefaultWorkingSetBytes;
}
