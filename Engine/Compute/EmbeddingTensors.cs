using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Views of the embedding unit's tensors in a flat buffer: weights, or gradient sums. Owns the views, not the buffer.</summary>
internal sealed class EmbeddingTensors(ModelLayout layout, Tensor flat) : IDisposable
{
    /// <summary>[vocabulary, H].</summary>
    public Tensor Tokens { get; } = FlatViews.View(flat, layout.TokenEmbedding);

    /// <summary>[positions, H] or null.</summary>
    public Tensor? Positions { get; } = layout.PositionEmbedding is null ? null : FlatViews.View(flat, layout.PositionEmbedding);

    public void Dispose()
    {
        Tokens.Dispose();
        Positions?.Dispose();
    }
}
