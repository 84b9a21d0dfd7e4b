using Offload.Engine.Compute;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Benchmarks;

/// <summary>The decoder layer for TorchSharp's autograd: fused projections, scaled_dot_product_attention, norms in fp32, intermediates disposed.</summary>
internal sealed class AutogradLayer : IDisposable
{
    private readonly DecoderConfig _config;
    private readonly BatchShape _shape;
    private readonly Tensor _inputNorm;
    private readonly Tensor _qkv;
    private readonly Tensor _attentionOut;
    private readonly Tensor _mlpNorm;
    private readonly Tensor _up;
    private readonly Tensor _down;
    private readonly Tensor _cosines;
    private readonly Tensor _sines;

    public AutogradLayer(DecoderConfig config, LayerTensors weights, BatchShape shape)
    {
        _config = config;
        _shape = shape;
        _inputNorm = Leaf(weights.InputNorm);
        _qkv = Leaf(weights.Qkv);
        _attentionOut = Leaf(weights.AttentionOut);
        _mlpNorm = Leaf(weights.MlpNorm);
        _up = Leaf(weights.Up);
        _down = Leaf(weights.Down);
        using DisposeScope scope = NewDisposeScope();
        var tables = new RotaryTables(config.Rope!, config.HeadSize, shape.Tokens);
        Tensor cosines = tensor(tables.Cosines).view(shape.Tokens, -1);
        Tensor sines = tensor(tables.Sines).view(shape.Tokens, -1);
        _cosines = cat([cosines, cosines], 1).to(weights.Qkv.dtype, copy: true).DetachFromDisposeScope();
        _sines = cat([sines, sines], 1).to(weights.Qkv.dtype, copy: true).DetachFromDisposeScope();
    }

    /// <param name="x">[rows, hidden].</param>
    /// <returns>As x, in the caller's dispose scope.</returns>
    public Tensor Forward(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor middle = x + nn.functional.linear(Attention(nn.functional.linear(Norm(x, _inputNorm), _qkv)), _attentionOut);
        Tensor[] gateAndUp = nn.functional.linear(Norm(middle, _mlpNorm), _up).chunk(2, 1);
        Tensor output = middle + nn.functional.linear(nn.functional.silu(gateAndUp[0]) * gateAndUp[1], _down);
        return output.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (Tensor tensor in (Tensor[])[_inputNorm, _qkv, _attentionOut, _mlpNorm, _up, _down, _cosines, _sines])
        {
            tensor.Dispose();
        }
    }

    private static Tensor Leaf(Tensor weight) => weight.detach().clone().requires_grad_().DetachFromDisposeScope();

    private Tensor Norm(Tensor x, Tensor weight)
    {
        Tensor x32 = x.to(ScalarType.Float32);
        Tensor normal = x32 * (x32.pow(2).mean([-1], keepdim: true) + _config.NormEpsilon).rsqrt();
        return normal.to(x.dtype) * weight;
    }

    private Tensor Attention(Tensor qkv)
    {
        long groupSize = _config.NumHeads / _config.NumKeyValueHeads;
        Tensor[] parts = qkv.view(_shape.Sequences, _shape.Tokens, -1, _config.HeadSize).transpose(1, 2)
            .split([_config.NumHeads, _config.NumKeyValueHeads, _config.NumKeyValueHeads], 1);
        Tensor output = nn.functional.scaled_dot_product_attention(
            Rotate(parts[0]), Rotate(parts[1]).repeat_interleave(groupSize, dim: 1), parts[2].repeat_interleave(groupSize, dim: 1), is_casual: true);
        return output.transpose(1, 2).reshape(_shape.Rows, -1);
    }

    private Tensor Rotate(Tensor x)
    {
        Tensor[] halves = x.chunk(2, -1);
        return (x * _cosines) + (cat([-halves[1], halves[0]], -1) * _sines);
    }
}
