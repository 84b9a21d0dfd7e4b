using System.Collections.Immutable;

namespace Offload.Storage.Safetensors;

/// <summary>A tensor in a safetensors file and where its data lies. Immutable; any thread.</summary>
public sealed class TensorInfo
{
    internal TensorInfo(TensorSpec spec, long fileOffsetBytes)
    {
        Spec = spec;
        FileOffsetBytes = fileOffsetBytes;
    }

    /// <summary>Name, type and shape; what a writer takes to write the tensor again.</summary>
    public TensorSpec Spec { get; }

    /// <inheritdoc cref="TensorSpec.Name"/>
    public string Name => Spec.Name;

    /// <inheritdoc cref="TensorSpec.Type"/>
    public ElementType Type => Spec.Type;

    /// <inheritdoc cref="TensorSpec.Shape"/>
    public ImmutableArray<long> Shape => Spec.Shape;

    /// <inheritdoc cref="TensorSpec.ElementCount"/>
    public long ElementCount => Spec.ElementCount;

    /// <inheritdoc cref="TensorSpec.SizeBytes"/>
    public long SizeBytes => Spec.SizeBytes;

    /// <summary>Where the data begins, in bytes from the start of the file. Not necessarily aligned.</summary>
    public long FileOffsetBytes { get; }
}
