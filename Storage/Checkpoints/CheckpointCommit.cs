using System.Text.Json;

namespace Offload.Storage.Checkpoints;

/// <summary>What makes a checkpoint count: written last, atomically.</summary>
public sealed record CheckpointCommit
{
    /// <summary>Version of the layout that this program writes and reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Version of the layout.</summary>
    public required int Version { get; init; }

    /// <summary>File of the arrays, in the same folder.</summary>
    public required string File { get; init; }

    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>What the run needs besides arrays to go on; opaque here.</summary>
    public required JsonElement RunState { get; init; }

    /// <summary>XxHash3 of each array, 16 hexadecimal digits, by name.</summary>
    public required IReadOnlyDictionary<string, string> Hashes { get; init; }

    /// <summary>XxHash3 of the record's own bytes with this value as 16 zeros: a flipped bit in the step count must not go unseen.</summary>
    public required string RecordHash { get; init; }
}
