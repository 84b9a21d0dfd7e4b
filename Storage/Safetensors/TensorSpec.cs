using System.Collections.Immutable;
using System.Text;

namespace Offload.Storage.Safetensors;

/// <summary>Name, element type and shape of a tensor. Immutable; any thread.</summary>
public sealed class TensorSpec
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <param name="name">As the Hub names it, <c>model.embed_tokens.weight</c>; any text but <c>__metadata__</c>.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Dimensions, outermost first; empty for a scalar; a dimension may be 0.</param>
    /// <exception cref="ArgumentException">
    /// A reserved name or one that is not valid Unicode, an unknown type, a negative dimension, more than
    /// <see cref="MaxRank"/> of them, or a size beyond 2^63 - 1 bytes.
    /// </exception>
    public TensorSpec(string name, ElementType type, params ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name == SafetensorsHeader.MetadataKey)
        {
            throw new ArgumentException($"the name {name} is reserved by the format", nameof(name));
        }

        _ = StrictUtf8.GetByteCount(name); // Throws on a lone surrogate.
        if (FindProblem(type, shape, out long elementCount) is { } problem)
        {
            throw new ArgumentException($"tensor {DisplayText.Quote(name)}: {problem}", nameof(shape));
        }

        Name = name;
        Type = type;
        Shape = [.. shape];
        ElementCount = elementCount;
    }

    /// <summary>Most dimensions that are accepted: as many as NumPy allows.</summary>
    public static int MaxRank => 64;

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public ElementType Type { get; }

    /// <summary>Dimensions, outermost first; empty for a scalar.</summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>Product of the dimensions; 1 for a scalar.</summary>
    public long ElementCount { get; }

    /// <summary>Bytes of the data.</summary>
    public long SizeBytes => ElementCount * Type.SizeBytes();

    /// <summary>For people: <c>BF16 [4096, 1024]</c>.</summary>
    public override string ToString() => $"{Type.Format()} [{string.Join(", ", Shape)}]";

    /// <summary>What is wrong with a shape, or null.</summary>
    internal static string? FindProblem(ElementType type, ReadOnlySpan<long> shape, out long elementCount)
    {
        elementCount = 1;
        if (shape.Length > MaxRank)
        {
            return $"expected at most {MaxRank} dimensions, found {shape.Length}";
        }

        int elementSizeBytes = type.SizeBytes();
        long sizeBytes = elementSizeBytes;
        foreach (long dimension in shape)
        {
            if (dimension < 0)
            {
                return $"expected dimensions of at least 0, found {dimension}";
            }

            // As the reference reader does, also where a later dimension is 0.
            if (Math.BigMul(sizeBytes, dimension, out long product) != 0 || product < 0)
            {
                return $"the shape [{string.Join(", ", shape.ToArray())}] has more than 2^63 - 1 bytes";
            }

            sizeBytes = product;
        }

        elementCount = sizeBytes / elementSizeBytes;
        return null;
    }
}
