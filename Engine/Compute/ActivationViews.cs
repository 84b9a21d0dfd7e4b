using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// Those of a layer's activations that are kept outside of compute: where the forward puts them and the backward finds them. Null: not
/// kept. Borrowed. Shapes: see <see cref="LayerActivations"/>.
/// </summary>
internal readonly record struct ActivationViews
{
    /// <summary>[rows, Q + 2K]. Not without <see cref="RawQueryKey"/> where the model norms queries and keys.</summary>
    public Tensor? Qkv { get; init; }

    /// <summary>[rows, Q + K].</summary>
    public Tensor? RawQueryKey { get; init; }

    /// <summary>[rows, Q]. Not without <see cref="LogSumExp"/>.</summary>
    public Tensor? AttentionOutput { get; init; }

    /// <summary>fp32 [sequences, heads, tokens].</summary>
    public Tensor? LogSumExp { get; init; }

    /// <summary>[rows, H].</summary>
    public Tensor? Middle { get; init; }

    /// <summary>[rows, G].</summary>
    public Tensor? Up { get; init; }
}
