namespace Offload.Storage.Safetensors;

/// <summary>
/// The header of a safetensors file, validated: the tensors cover the data without gap or overlap and end with the file.
/// Immutable; any thread. Source: the format section of the safetensors README.
/// </summary>
public sealed class SafetensorsHeader
{
    /// <summary>The key of the free-form string map; no tensor may have this name.</summary>
    internal const string MetadataKey = "__metadata__";

    /// <summary>Bytes of the little-endian length that a file begins with.</summary>
    internal const int LengthSizeBytes = 8;

    /// <summary>The reference reader's limit.</summary>
    internal const long MaxJsonSizeBytes = 100_000_000;

    internal SafetensorsHeader(
        IReadOnlyDictionary<string, TensorInfo> tensors, IReadOnlyDictionary<string, string> metadata, long dataOffsetBytes)
    {
        Tensors = tensors;
        Metadata = metadata;
        DataOffsetBytes = dataOffsetBytes;
    }

    /// <summary>Tensors by name; enumerates in the order of their data in the file.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The free-form strings; empty if there are none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Where the data of the first tensor begins, in bytes from the start of the file.</summary>
    public long DataOffsetBytes { get; }
}
