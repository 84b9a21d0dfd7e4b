using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Views of a whole resident model: its weights, or its gradient sums. Owns the views, not the buffers.</summary>
internal sealed class ModelTensors : IDisposable
{
    /// <param name="layout">The model.</param>
    /// <param name="flats">One flat buffer a unit.</param>
    /// <param name="tiedMatrix">Stands for a tied head's matrix; null: the embedding's own view (weights).</param>
    public ModelTensors(ModelLayout layout, IReadOnlyList<Tensor> flats, Tensor? tiedMatrix = null)
    {
        Embedding = new EmbeddingTensors(layout, flats[0]);
        Layers = [.. Enumerable.Range(1, layout.Config.NumLayers).Select(i => new LayerTensors(layout.Layer, flats[i]))];
        Head = new HeadTensors(layout, flats[^1], tiedMatrix ?? Embedding.Tokens);
    }

    public EmbeddingTensors Embedding { get; }

    public IReadOnlyList<LayerTensors> Layers { get; }

    public HeadTensors Head { get; }

    public void Dispose()
    {
        Embedding.Dispose();
        foreach (LayerTensors layer in Layers)
        {
            layer.Dispose();
        }

        Head.Dispose();
    }
}
