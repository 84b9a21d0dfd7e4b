using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// A decoder's units, each for itself, and the whole with all weights at hand, unit after unit: the plain order that every schedule must
/// agree with, bit for bit. Stateless but for rotary tables; returned tensors belong to the caller.
/// </summary>
internal sealed class DecoderModel
{
    private readonly DecoderConfig _config;
    private readonly int _headChunkTokens;

    /// <param name="layout">The model.</param>
    /// <param name="maxTokens">Longest sequence.</param>
    /// <param name="headChunkTokens">Tokens whose logits are in memory at once.</param>
    public DecoderModel(ModelLayout layout, int maxTokens, int headChunkTokens)
    {
        _config = layout.Config;
        _headChunkTokens = headChunkTokens;
        Layer = new DecoderLayer(layout, _config.Rope is null ? null : new RotaryTables(_config.Rope, _config.HeadSize, maxTokens));
    }

    /// <summary>What all layers compute.</summary>
    public DecoderLayer Layer { get; }

    /// <summary>Sum of the counted tokens' losses, without gradients.</summary>
    public double Loss(ModelTensors weights, MicroBatch batch)
    {
        using Tensor hidden = Hidden(weights, batch);
        return HeadLoss(weights.Head, hidden, batch);
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
        if (weights.Head.FinalNorm is not null)
        {
            hidden = FinalNorm(weights.Head, hidden);
        }

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
        Tensor x = Embed(weights.Embedding, batch);
        foreach (LayerTensors layer in weights.Layers)
        {
            (x, LayerActivations activations) = Layer.Forward(layer, x, batch.Shape);
            saved.Push(activations);
        }

        double loss;
        Tensor gradient;
        using (x)
        {
            (loss, gradient) = HeadLossAndGradients(weights.Head, sums.Head, x, batch, gradScale);
        }

        for (int i = weights.Layers.Count - 1; i >= 0; i--)
        {
            using LayerActivations activations = saved.Pop();
            using Tensor gradOutput = gradient;
            gradient = Layer.Backward(weights.Layers[i], sums.Layers[i], activations, gradOutput, batch.Shape);
        }

        using (gradient)
        {
            EmbeddingBackward(sums.Embedding, batch, gradient);
        }

        return loss;
    }

    /// <returns>[rows, H]: the first layer's input.</returns>
    public Tensor Embed(EmbeddingTensors weights, MicroBatch batch)
    {
        using Tensor ids = IdTensor(batch, weights.Tokens);
        return EmbeddingOp.Forward(ids, weights.Tokens, weights.Positions, _config.LearnedPositionOffset ?? 0, batch.Shape);
    }

    /// <summary>Adds the embedding's gradients into their sums.</summary>
    /// <param name="sums">fp32 gradient sums.</param>
    /// <param name="batch">Ids.</param>
    /// <param name="gradient">[rows, H]: gradient of what was embedded.</param>
    public void EmbeddingBackward(EmbeddingTensors sums, MicroBatch batch, Tensor gradient)
    {
        using Tensor ids = IdTensor(batch, sums.Tokens);
        EmbeddingOp.Backward(ids, gradient, sums.Tokens, sums.Positions, _config.LearnedPositionOffset ?? 0, _config.PaddingId, batch.Shape);
    }

    /// <summary>Loss alone.</summary>
    /// <param name="weights">The head.</param>
    /// <param name="x">[rows, H]: the last layer's output.</param>
    /// <param name="batch">Targets.</param>
    /// <returns>Sum of the counted tokens' losses.</returns>
    public double HeadLoss(HeadTensors weights, Tensor x, MicroBatch batch)
    {
        if (weights.FinalNorm is null)
        {
            return HeadOp.Loss(x, weights.Matrix, batch.Targets, _headChunkTokens);
        }

        using Tensor normed = FinalNorm(weights, x);
        return HeadOp.Loss(normed, weights.Matrix, batch.Targets, _headChunkTokens);
    }

    /// <summary>Loss, and gradients added into their sums.</summary>
    /// <param name="weights">The head.</param>
    /// <param name="sums">fp32 gradient sums.</param>
    /// <param name="x">[rows, H]: the last layer's output.</param>
    /// <param name="batch">Targets.</param>
    /// <param name="gradScale">1 / number of counted tokens of the whole step.</param>
    /// <returns>Sum of the counted tokens' losses; gradient of x, the caller's.</returns>
    public (double Loss, Tensor GradX) HeadLossAndGradients(HeadTensors weights, HeadTensors sums, Tensor x, MicroBatch batch, float gradScale)
    {
        if (weights.FinalNorm is null)
        {
            return HeadOp.LossAndGradients(x, weights.Matrix, batch.Targets, gradScale, sums.Matrix, _headChunkTokens);
        }

        using Tensor normed = FinalNorm(weights, x);
        (double loss, Tensor gradNormed) = HeadOp.LossAndGradients(normed, weights.Matrix, batch.Targets, gradScale, sums.Matrix, _headChunkTokens);
        using (gradNormed)
        {
            Tensor gradX = NormOp.Backward(
                x, weights.FinalNorm, weights.FinalNormBias is not null, _config.NormEpsilon, gradNormed, sums.FinalNorm!, sums.FinalNormBias);
            return (loss, gradX);
        }
    }

    private static Tensor IdTensor(MicroBatch batch, Tensor embedding)
    {
        using Tensor ids = tensor(batch.Ids, ScalarType.Int64);
        return ids.to(embedding.device);
    }

    private Tensor FinalNorm(HeadTensors weights, Tensor x) => NormOp.Forward(x, weights.FinalNorm!, weights.FinalNormBias, _config.NormEpsilon);

    /// <returns>[rows, H] before the final norm.</returns>
    private Tensor Hidden(ModelTensors weights, MicroBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Embed(weights.Embedding, batch);
        foreach (LayerTensors layer in weights.Layers)
        {
            (x, LayerActivations activations) = Layer.Forward(layer, x, batch.Shape);
            activations.Dispose();
        }

        return x.MoveToOuterDisposeScope();
    }
}
