using Offload.Storage.Devices;

namespace Offload.Storage.Benchmarks;

/// <summary>What a <see cref="StorageBenchmark"/> measures. Immutable.</summary>
public sealed record StorageBenchmarkOptions
{
    /// <summary>
    /// Default of <see cref="SizeBytes"/>: a pass moves half of it, which takes a drive of 7 GB/s 0.3 s, long against what starting and ending it
    /// takes; a larger one shows better what a drive keeps up.
    /// </summary>
    public const long DefaultSizeBytes = 4L << 30;

    /// <summary>Smallest <see cref="SizeBytes"/> of each folder: a store of a few small tiles.</summary>
    public const long MinFileBytes = 8L << 20;

    /// <summary>Folders, one on each drive; made if missing.</summary>
    public required IReadOnlyList<string> Folders { get; init; }

    /// <summary>Size of the temporary files, all folders together.</summary>
    public long SizeBytes { get; init; } = DefaultSizeBytes;

    /// <summary>Rounds: a median needs three.</summary>
    public int Rounds { get; init; } = 3;

    /// <summary>Requests in flight at each drive.</summary>
    public int QueueDepth { get; init; } = DirectFileOptions.DefaultQueueDepth;
}
