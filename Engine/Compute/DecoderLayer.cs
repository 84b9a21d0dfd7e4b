using Offload.Engine.Interop;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// One pre-norm decoder layer, forward and backward explicit: x + attention(norm(x)), then + mlp(norm(that)). Holds no state of a
/// particular layer; weights, gradient sums and activations are given. Legend as in LayerLayout; rows = sequences * tokens.
/// </summary>
internal sealed class DecoderLayer
{
    private readonly DecoderConfig _config;
    private readonly AttentionOp _attention;
    private readonly RotaryTables? _rotary;
    private readonly bool _inputMajor;
    private readonly bool _isLayerNorm;

    /// <param name="layout">The model.</param>
    /// <param name="rotary">Angles for at least the longest sequence; null if positions are learned.</param>
    public DecoderLayer(ModelLayout layout, RotaryTables? rotary)
    {
        _config = layout.Config;
        _attention = new AttentionOp(_config);
        _rotary = rotary;
        _inputMajor = layout.InputMajor;
        _isLayerNorm = _config.Norm == NormKind.LayerNorm;
    }

    /// <summary>Forward for training.</summary>
    /// <param name="weights">The layer's weights.</param>
    /// <param name="input">[rows, H]; taken over by the activations.</param>
    /// <param name="shape">Micro-batch.</param>
    /// <returns>Output [rows, H] and what the backward needs, both the caller's.</returns>
    public (Tensor Output, LayerActivations Activations) Forward(LayerTensors weights, Tensor input, BatchShape shape)
    {
        // Frees what is left if an operator fails; otherwise everything is disposed or moved out as soon as it can be.
        using DisposeScope scope = NewDisposeScope();
        LayerActivations activations = Restore(weights, input, kept: default, shape);
        using Tensor activated = ActivationOp.Forward(activations.Up, _config.Activation, _config.GatedMlp);
        Tensor output = LinearOp.Forward(activated, weights.Down, weights.DownBias, _inputMajor);
        output.add_(activations.Middle, Scalars.One);
        activations.MoveToOuterDisposeScope();
        return (output.MoveToOuterDisposeScope(), activations);
    }

    /// <summary>What the backward needs, of which some was kept: the rest is computed again, in the forward's order and so to the same bits.</summary>
    /// <param name="weights">The layer's weights.</param>
    /// <param name="input">[rows, H]; taken over by the activations.</param>
    /// <param name="kept">What is there; stays the caller's.</param>
    /// <param name="shape">Micro-batch.</param>
    /// <returns>All of it, the caller's.</returns>
    public LayerActivations Restore(LayerTensors weights, Tensor input, in ActivationViews kept, BatchShape shape)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor qkv, Tensor? rawQueryKey) = kept.Qkv is null ? Project(weights, input, shape) : (kept.Qkv.alias(), kept.RawQueryKey?.alias());
        (Tensor attention, Tensor logSumExp) = kept.AttentionOutput is null || kept.LogSumExp is null
            ? _attention.Forward(qkv, shape)
            : (kept.AttentionOutput.alias(), kept.LogSumExp.alias());
        Tensor middle = kept.Middle?.alias() ?? AddAttention(weights, input, attention);
        Tensor up = kept.Up?.alias() ?? ProjectUp(weights, middle);
        var activations = new LayerActivations
        {
            Input = input,
            Qkv = qkv,
            RawQueryKey = rawQueryKey,
            AttentionOutput = attention,
            LogSumExp = logSumExp,
            Middle = middle,
            Up = up,
        };
        activations.MoveToOuterDisposeScope();
        return activations;
    }

    /// <summary>Backward; adds the weights' gradients into their sums.</summary>
    /// <param name="weights">As forward.</param>
    /// <param name="sums">fp32 gradient sums.</param>
    /// <param name="saved">From the forward; stays the caller's.</param>
    /// <param name="gradOutput">[rows, H]; stays the caller's.</param>
    /// <param name="shape">Micro-batch.</param>
    /// <returns>Gradient of the input: [rows, H], the caller's.</returns>
    public Tensor Backward(LayerTensors weights, LayerTensors sums, LayerActivations saved, Tensor gradOutput, BatchShape shape)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradMiddle = MlpBackward(weights, sums, saved, gradOutput);
        return AttentionBackward(weights, sums, saved, gradMiddle, shape).MoveToOuterDisposeScope();
    }

    /// <returns>Projections after norms and rotation; queries and keys before their norms.</returns>
    private (Tensor Qkv, Tensor? RawQueryKey) Project(LayerTensors weights, Tensor input, BatchShape shape)
    {
        Tensor qkv;
        using (Tensor normed = NormOp.Forward(input, weights.InputNorm, weights.InputNormBias, _config.NormEpsilon))
        {
            qkv = LinearOp.Forward(normed, weights.Qkv, weights.QkvBias, _inputMajor);
        }

        Tensor? rawQueryKey = NormQueryKey(weights, qkv, shape);
        Rotate(qkv, shape, inverse: false);
        return (qkv, rawQueryKey);
    }

    private Tensor AddAttention(LayerTensors weights, Tensor input, Tensor attention)
    {
        Tensor middle = LinearOp.Forward(attention, weights.AttentionOut, weights.AttentionOutBias, _inputMajor);
        middle.add_(input, Scalars.One);
        return middle;
    }

    private Tensor ProjectUp(LayerTensors weights, Tensor middle)
    {
        using Tensor normed = NormOp.Forward(middle, weights.MlpNorm, weights.MlpNormBias, _config.NormEpsilon);
        return LinearOp.Forward(normed, weights.Up, weights.UpBias, _inputMajor);
    }

    private Tensor MlpBackward(LayerTensors weights, LayerTensors sums, LayerActivations saved, Tensor gradOutput)
    {
        using (Tensor activated = ActivationOp.Forward(saved.Up, _config.Activation, _config.GatedMlp))
        {
            LinearOp.AccumulateGradients(activated, gradOutput, sums.Down, sums.DownBias, _inputMajor);
        }

        using Tensor gradActivated = LinearOp.InputGradient(gradOutput, weights.Down, _inputMajor);
        using Tensor gradUp = ActivationOp.Backward(saved.Up, gradActivated, _config.Activation, _config.GatedMlp);
        using (Tensor normed = NormOp.Forward(saved.Middle, weights.MlpNorm, weights.MlpNormBias, _config.NormEpsilon))
        {
            LinearOp.AccumulateGradients(normed, gradUp, sums.Up, sums.UpBias, _inputMajor);
        }

        using Tensor gradNormed = LinearOp.InputGradient(gradUp, weights.Up, _inputMajor);
        Tensor gradMiddle = NormOp.Backward(
            saved.Middle, weights.MlpNorm, _isLayerNorm, _config.NormEpsilon, gradNormed, sums.MlpNorm, sums.MlpNormBias);
        gradMiddle.add_(gradOutput, Scalars.One);
        return gradMiddle;
    }

    private Tensor AttentionBackward(LayerTensors weights, LayerTensors sums, LayerActivations saved, Tensor gradMiddle, BatchShape shape)
    {
        LinearOp.AccumulateGradients(saved.AttentionOutput, gradMiddle, sums.AttentionOut, sums.AttentionOutBias, _inputMajor);
        using Tensor gradAttention = LinearOp.InputGradient(gradMiddle, weights.AttentionOut, _inputMajor);
        using Tensor gradQkv = _attention.Backward(saved.Qkv, saved.AttentionOutput, saved.LogSumExp, gradAttention, shape);
        Rotate(gradQkv, shape, inverse: true);
        NormQueryKeyBackward(weights, sums, saved, gradQkv, shape);
        using (Tensor normed = NormOp.Forward(saved.Input, weights.InputNorm, weights.InputNormBias, _config.NormEpsilon))
        {
            LinearOp.AccumulateGradients(normed, gradQkv, sums.Qkv, sums.QkvBias, _inputMajor);
        }

        using Tensor gradNormed = LinearOp.InputGradient(gradQkv, weights.Qkv, _inputMajor);
        Tensor gradInput = NormOp.Backward(
            saved.Input, weights.InputNorm, _isLayerNorm, _config.NormEpsilon, gradNormed, sums.InputNorm, sums.InputNormBias);
        gradInput.add_(gradMiddle, Scalars.One);
        return gradInput;
    }

    private void Rotate(Tensor qkv, BatchShape shape, bool inverse)
    {
        if (_rotary is not null)
        {
            _rotary.Require(shape.Tokens);
            RotaryOp.Rotate(qkv, shape, _config.NumHeads + _config.NumKeyValueHeads, _config.HeadSize, _rotary, inverse);
        }
    }

    /// <summary>Norms each head of q and k in place; returns what they were, or null if the model does not norm them.</summary>
    private Tensor? NormQueryKey(LayerTensors weights, Tensor qkv, BatchShape shape)
    {
        if (weights.QueryNorm is null || weights.KeyNorm is null)
        {
            return null;
        }

        using DisposeScope scope = NewDisposeScope();
        long width = (long)(_config.NumHeads + _config.NumKeyValueHeads) * _config.HeadSize;
        Tensor raw = qkv.narrow(1, 0, width).clone();
        foreach ((int first, int count, Tensor weight) in QueryKeyRanges(weights))
        {
            Tensor normed = NormOp.Forward(HeadRows(raw, first, count, shape), weight, bias: null, _config.NormEpsilon);
            HeadRange(qkv, first, count, shape).copy_(normed.view(shape.Rows, count, _config.HeadSize));
        }

        return raw.MoveToOuterDisposeScope();
    }

    private void NormQueryKeyBackward(LayerTensors weights, LayerTensors sums, LayerActivations saved, Tensor gradQkv, BatchShape shape)
    {
        if (saved.RawQueryKey is null)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        foreach ((int first, int count, Tensor weight) in QueryKeyRanges(weights))
        {
            Tensor gradient = NormOp.Backward(
                HeadRows(saved.RawQueryKey, first, count, shape), weight, hasBias: false, _config.NormEpsilon,
                HeadRows(gradQkv, first, count, shape), first == 0 ? sums.QueryNorm! : sums.KeyNorm!, biasSum: null);
            HeadRange(gradQkv, first, count, shape).copy_(gradient.view(shape.Rows, count, _config.HeadSize));
        }
    }

    private (int First, int Count, Tensor Weight)[] QueryKeyRanges(LayerTensors weights) =>
        [(0, _config.NumHeads, weights.QueryNorm!), (_config.NumHeads, _config.NumKeyValueHeads, weights.KeyNorm!)];

    /// <returns>View [rows, heads, head size] of some heads of a packed matrix.</returns>
    private Tensor HeadRange(Tensor packed, int first, int count, BatchShape shape) =>
        packed.view(shape.Rows, -1, _config.HeadSize).narrow(1, first, count);

    /// <returns>[rows * heads, head size], contiguous.</returns>
    private Tensor HeadRows(Tensor packed, int first, int count, BatchShape shape) =>
        HeadRange(packed, first, count, shape).reshape(-1, _config.HeadSize);
}
