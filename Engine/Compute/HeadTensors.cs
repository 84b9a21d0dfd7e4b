using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Views of the head unit's tensors: weights, or gradient sums. Owns the views, not the buffers.</summary>
internal sealed class HeadTensors : IDisposable
{
    /// <param name="layout">The model.</param>
    /// <param name="flat">[unit's count].</param>
    /// <param name="tiedMatrix">[vocabulary, H]: what stands for the head's matrix where it is tied; borrowed. Not used otherwise.</param>
    public HeadTensors(ModelLayout layout, Tensor flat, Tensor? tiedMatrix)
    {
        FinalNorm = layout.FinalNorm is null ? null : FlatViews.View(flat, layout.FinalNorm);
        FinalNormBias = layout.FinalNormBias is null ? null : FlatViews.View(flat, layout.FinalNormBias);
        Matrix = layout.Head is null
            ? (tiedMatrix ?? throw new ArgumentNullException(nameof(tiedMatrix), "a tied head needs the embedding's matrix")).alias()
            : FlatViews.View(flat, layout.Head);
    }

    /// <summary>[H] or null.</summary>
    public Tensor? FinalNorm { get; }

    /// <summary>[H] or null.</summary>
    public Tensor? FinalNormBias { get; }

    /// <summary>[vocabulary, H].</summary>
    public Tensor Matrix { get; }

    public void Dispose()
    {
        FinalNorm?.Dispose();
        FinalNormBias?.Dispose();
        Matrix.Dispose();
    }
}
