using Offload.Storage.Memory;

namespace Offload.Storage.Checkpoints;

/// <summary>One array of a checkpoint.</summary>
/// <param name="Name">Unique within the checkpoint: "3.first_moment".</param>
/// <param name="Type">Element type.</param>
/// <param name="Buffer">Its memory; the whole buffer is the array. Borrowed.</param>
public sealed record CheckpointPart(string Name, ElementType Type, NativeBuffer Buffer)
{
    /// <summary>Number of elements.</summary>
    public long Count => Buffer.SizeBytes / Type.SizeBytes();
}
