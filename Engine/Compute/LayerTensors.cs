using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// Views of a layer's tensors in a flat buffer of the unit: its weights in the compute type, or its gradient sums in fp32. Owns
/// the views, not the buffer. Shapes: see <see cref="LayerLayout"/>.
/// </summary>
internal sealed class LayerTensors : IDisposable
{
    private readonly List<Tensor> _views = [];

    /// <param name="layout">The layer's layout.</param>
    /// <param name="flat">[unit's count], borrowed.</param>
    public LayerTensors(LayerLayout layout, Tensor flat)
    {
        InputNorm = View(flat, layout.InputNorm)!;
        InputNormBias = View(flat, layout.InputNormBias);
        Qkv = View(flat, layout.Qkv)!;
        QkvBias = View(flat, layout.QkvBias);
        QueryNorm = View(flat, layout.QueryNorm);
        KeyNorm = View(flat, layout.KeyNorm);
        AttentionOut = View(flat, layout.AttentionOut)!;
        AttentionOutBias = View(flat, layout.AttentionOutBias);
        MlpNorm = View(flat, layout.MlpNorm)!;
        MlpNormBias = View(flat, layout.MlpNormBias);
        Up = View(flat, layout.Up)!;
        UpBias = View(flat, layout.UpBias);
        Down = View(flat, layout.Down)!;
        DownBias = View(flat, layout.DownBias);
    }

    public Tensor InputNorm { get; }

    public Tensor? InputNormBias { get; }

    public Tensor Qkv { get; }

    public Tensor? QkvBias { get; }

    public Tensor? QueryNorm { get; }

    public Tensor? KeyNorm { get; }

    public Tensor AttentionOut { get; }

    public Tensor? AttentionOutBias { get; }

    public Tensor MlpNorm { get; }

    public Tensor? MlpNormBias { get; }

    public Tensor Up { get; }

    public Tensor? UpBias { get; }

    public Tensor Down { get; }

    public Tensor? DownBias { get; }

    public void Dispose()
    {
        foreach (Tensor view in _views)
        {
            view.Dispose();
        }
    }

    private Tensor? View(Tensor flat, TensorSlot? slot)
    {
        if (slot is null)
        {
            return null;
        }

        Tensor view = FlatViews.View(flat, slot);
        _views.Add(view);
        return view;
    }
}
