namespace Offload.Engine.Models;

/// <summary>Where compute finds the tensors of a decoder layer; the same in every layer. Null: the model has no such tensor.</summary>
/// <remarks>Legend: H hidden, Q = query heads * head size, K = key/value heads * head size, F MLP width, G = 2F if gated, else F.
/// Matrices are [out, in], or [in, out] where <see cref="ModelLayout.InputMajor"/>.</remarks>
internal sealed record LayerLayout
{
    /// <summary>[H].</summary>
    public required TensorSlot InputNorm { get; init; }

    /// <summary>[H].</summary>
    public TensorSlot? InputNormBias { get; init; }

    /// <summary>[Q + 2K, H].</summary>
    public required TensorSlot Qkv { get; init; }

    /// <summary>[Q + 2K].</summary>
    public TensorSlot? QkvBias { get; init; }

    /// <summary>[head size].</summary>
    public TensorSlot? QueryNorm { get; init; }

    /// <summary>[head size].</summary>
    public TensorSlot? KeyNorm { get; init; }

    /// <summary>[H, Q].</summary>
    public required TensorSlot AttentionOut { get; init; }

    /// <summary>[H].</summary>
    public TensorSlot? AttentionOutBias { get; init; }

    /// <summary>[H].</summary>
    public required TensorSlot MlpNorm { get; init; }

    /// <summary>[H].</summary>
    public TensorSlot? MlpNormBias { get; init; }

    /// <summary>[G, H]: gate rows first.</summary>
    public required TensorSlot Up { get; init; }

    /// <summary>[G].</summary>
    public TensorSlot? UpBias { get; init; }

    /// <summary>[H, F].</summary>
    public required TensorSlot Down { get; init; }

    /// <summary>[H].</summary>
    public TensorSlot? DownBias { get; init; }
}
