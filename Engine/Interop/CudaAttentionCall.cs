namespace Offload.Engine.Interop;

/// <summary>Tensors and numbers of one call of causal attention on CUDA, by handle; all are borrowed.</summary>
internal readonly record struct CudaAttentionCall
{
    /// <summary>Which kernel.</summary>
    public required CudaAttentionKind Kind { get; init; }

    /// <summary>[sequences, heads, tokens, head size], any strides with the last dimension contiguous.</summary>
    public required nint Query { get; init; }

    /// <summary>[sequences, key/value heads, tokens, head size], likewise.</summary>
    public required nint Key { get; init; }

    /// <summary>As <see cref="Key"/>.</summary>
    public required nint Value { get; init; }

    /// <summary>Factor of the scores.</summary>
    public required double Scale { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public required long Tokens { get; init; }

    /// <summary>Backward: as <see cref="Query"/>.</summary>
    public nint GradOutput { get; init; }

    /// <summary>Backward: as returned forward.</summary>
    public nint Output { get; init; }

    /// <summary>Backward: as returned forward.</summary>
    public nint LogSumExp { get; init; }

    /// <summary>Backward: as returned by any forward; without dropout no kernel reads what is in it.</summary>
    public nint Seed { get; init; }

    /// <summary>Backward: as <see cref="Seed"/>.</summary>
    public nint Offset { get; init; }

    /// <summary>Backward: an undefined tensor, in place of what dense attention without a bias has not.</summary>
    public nint Undefined { get; init; }
}
