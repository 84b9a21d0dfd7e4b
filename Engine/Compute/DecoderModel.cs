using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// A whole decoder with all weights at hand, unit after unit: the plain order that every schedule must agree with, bit for bit.
/// Stateless but for rotary tables; returned tensors belong to the caller.
/// </summary>
internal sealed class DecoderModel
{
    private readonly DecoderConfig _config;
    private readonly DecoderLayer _layer;
    private readonly int _headChunkTokens;

    /// <param name="layout">The model.</param>
    /// <param name="maxTokens">Longest sequence.</param>
    /// <param name="headChunkTokens">Tokens whose logits are in memory at once.</param>
    public DecoderModel(ModelLayout layout, int maxTokens, int headChunkTokens)
    {
        _config = layout.Config;
        _headChunkTokens = headChunkTokens;
        _layer = new DecoderLayer(layout, _config.Rope is null ? null : new RotaryTables(_config.Rope, _config.HeadSize, maxTokens));
    }

    /// <summary>Sum of the counted tokens' losses, without gradients.</summary>
    public double Loss(ModelTensors weights, MicroBatch batch)
    {
        using Tensor hidden = Hidden(weights, batch);
        return HeadOp.Loss(hidden, weights.Head.Matrix, batch.Targets, _headChunkTokens);
    }

    /// <summary>Logits of every token, whole: for checks and for generation.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="batch">Targets are not used.</param>
    /// <param name="lastTokenOnly">Of the last token of each sequence alone.</param>
    /// <returns>[rows or sequences, vocabulary] in the compute type.</returns>
    public Tensor Logits(ModelTensors weights, MicroBatch batch, bool lastTokenOnly = false)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = Hidden(weights, batch);
        if (lastTokenOnly)
        {
            hidden = hidden.view(batch.Shape.Sequences, batch.Shape.Tokens, -1).select(1, batch.Shape.Tokens - 1);
        }

        return nn.functional.linear(hidden, weights.Head.Matrix).MoveToOuterDisposeScope();
    }

    /// <summary>Forward and backward of one micro-batch; adds its gradients into the sums.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="sums">fp32 gradient sums.</param>
    /// <param name="batch">Ids and targets.</param>
    /// <param name="gradScale">1 / number of counted tokens of the whole step.</param>
    /// <returns>Sum of the counted tokens' losses.</returns>
    public double ForwardBackward(ModelTensors weights, ModelTensors sums, MicroBatch batch, float gradScale)
    {
        // Everything made here is freed here, whatever fails on the way.
        using DisposeScope scope = NewDisposeScope();
        var saved = new Stack<LayerActivations>();
        using Tensor ids = IdTensor(batch, weights);
        Tensor x = Embed(weights, ids, batch.Shape);
        foreach (LayerTensors layer in weights.Layers)
        {
            (x, LayerActivations activations) = _layer.Forward(layer, x, batch.Shape);
            saved.Push(activations);
        }

        double loss;
        Tensor gradient;
        using (x)
        {
            (loss, gradient) = HeadForwardBackward(weights.Head, sums.Head, x, batch, gradScale);
        }

        for (int i = weights.Layers.Count - 1; i >= 0; i--)
        {
            using LayerActivations activations = saved.Pop();
            using Tensor gradOutput = gradient;
            gradient = _layer.Backward(weights.Layers[i], sums.Layers[i], activations, gradOutput, batch.Shape);
        }

        using (gradient)
        {
            EmbeddingOp.Backward(
                ids, gradient, sums.Embedding.Tokens, sums.Embedding.Positions, _config.LearnedPositionOffset ?? 0, _config.PaddingId, batch.Shape);
        }

        return loss;
    }

    private static Tensor IdTensor(MicroBatch batch, ModelTensors weights)
    {
        using Tensor ids = tensor(batch.Ids, ScalarType.Int64);
        return ids.to(weights.Embedding.Tokens.device);
    }

    private Tensor Embed(ModelTensors weights, Tensor ids, BatchShape shape) => EmbeddingOp.Forward(
        ids, weights.Embedding.Tokens, weights.Embedding.Positions, _config.LearnedPositionOffset ?? 0, shape);

    /// <returns>[rows, H] after the final norm.</returns>
    private Tensor Hidden(ModelTensors weights, MicroBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor ids = IdTensor(batch, weights);
        Tensor x = Embed(weights, ids, batch.Shape);
        foreach (LayerTensors layer in weights.Layers)
        {
            (x, LayerActivations activations) = _layer.Forward(layer, x, batch.Shape);
            activations.Dispose();
        }

        if (weights.Head.FinalNorm is null)
        {
            return x.MoveToOuterDisposeScope();
        }

        return NormOp.Forward(x, weights.Head.FinalNorm, weights.Head.FinalNormBias, _config.NormEpsilon).MoveToOuterDisposeScope();
    }

    private (double Loss, Tensor GradX) HeadForwardBackward(HeadTensors weights, HeadTensors sums, Tensor x, MicroBatch batch, float gradScale)
    {
        if (weights.FinalNorm is null)
        {
            return HeadOp.LossAndGradients(x, weights.Matrix, batch.Targets, gradScale, sums.Matrix, _headChunkTokens);
        }

        using Tensor normed = NormOp.Forward(x, weights.FinalNorm, weights.FinalNormBias, _config.NormEpsilon);
        (double loss, Tensor gradNormed) = HeadOp.LossAndGradients(normed, weights.Matrix, batch.Targets, gradScale, sums.Matrix, _headChunkTokens);
        using (gradNormed)
        {
            Tensor gradX = NormOp.Backward(
                x, weights.FinalNorm, weights.FinalNormBias is not null, _config.NormEpsilon, gradNormed, sums.FinalNorm!, sums.FinalNormBias);
            return (loss, gradX);
        }
    }
}
