using Offload.Engine.Interop;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// Causal attention with grouped heads over the packed projections [rows, (heads + 2 * key/value heads) * head size], forward and
/// backward by the library's flash kernels. Returned tensors belong to the caller.
/// </summary>
internal sealed class AttentionOp(DecoderConfig config)
{
    private readonly int _numHeads = config.NumHeads;
    private readonly int _numKeyValueHeads = config.NumKeyValueHeads;
    private readonly int _headSize = config.HeadSize;

    /// <param name="qkv">[rows, (heads + 2 * kv heads) * head size], normed and rotated.</param>
    /// <param name="shape">Micro-batch.</param>
    /// <returns>Output [rows, heads * head size]; log-sum-exp, fp32 [sequences, heads, tokens].</returns>
    public (Tensor Output, Tensor LogSumExp) Forward(Tensor qkv, BatchShape shape)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = SplitHeads(qkv, shape);
        (Tensor output, Tensor logSumExp) = Aten.CausalAttentionCpu(q, k, v);
        Tensor rows = output.transpose(1, 2).contiguous().view(shape.Rows, (long)_numHeads * _headSize);
        return (rows.MoveToOuterDisposeScope(), logSumExp.MoveToOuterDisposeScope());
    }

    /// <param name="qkv">As given forward.</param>
    /// <param name="output">As returned forward.</param>
    /// <param name="logSumExp">As returned forward.</param>
    /// <param name="gradOutput">[rows, heads * head size].</param>
    /// <param name="shape">Micro-batch.</param>
    /// <returns>Gradient of qkv, packed as it.</returns>
    public Tensor Backward(Tensor qkv, Tensor output, Tensor logSumExp, Tensor gradOutput, BatchShape shape)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor q, Tensor k, Tensor v) = SplitHeads(qkv, shape);
        (Tensor gradQ, Tensor gradK, Tensor gradV) = Aten.CausalAttentionCpuBackward(
            Heads(gradOutput, shape), q, k, v, Heads(output, shape), logSumExp);
        Tensor gradQkv = empty([shape.Sequences, shape.Tokens, _numHeads + (2 * _numKeyValueHeads), _headSize], qkv.dtype, qkv.device);
        gradQkv.narrow(2, 0, _numHeads).copy_(gradQ.transpose(1, 2));
        StoreKeyValueGradient(gradQkv.narrow(2, _numHeads, _numKeyValueHeads), gradK, shape);
        StoreKeyValueGradient(gradQkv.narrow(2, _numHeads + _numKeyValueHeads, _numKeyValueHeads), gradV, shape);
        return gradQkv.view(shape.Rows, -1).MoveToOuterDisposeScope();
    }

    /// <returns>Each [sequences, heads, tokens, head size]; k and v repeated for the query heads of their group.</returns>
    private (Tensor Q, Tensor K, Tensor V) SplitHeads(Tensor qkv, BatchShape shape)
    {
        Tensor heads = qkv.view(shape.Sequences, shape.Tokens, _numHeads + (2 * _numKeyValueHeads), _headSize);
        return (heads.narrow(2, 0, _numHeads).transpose(1, 2),
            Repeat(heads.narrow(2, _numHeads, _numKeyValueHeads), shape),
            Repeat(heads.narrow(2, _numHeads + _numKeyValueHeads, _numKeyValueHeads), shape));
    }

    /// <summary>The CPU kernel wants as many key/value heads as query heads.</summary>
    private Tensor Repeat(Tensor keyValue, BatchShape shape)
    {
        int groupSize = _numHeads / _numKeyValueHeads;
        return groupSize == 1
            ? keyValue.transpose(1, 2)
            : keyValue.unsqueeze(3)
                .expand(shape.Sequences, shape.Tokens, _numKeyValueHeads, groupSize, _headSize)
                .reshape(shape.Sequences, shape.Tokens, _numHeads, _headSize)
                .transpose(1, 2);
    }

    private void StoreKeyValueGradient(Tensor destination, Tensor gradient, BatchShape shape)
    {
        int groupSize = _numHeads / _numKeyValueHeads;
        Tensor byToken = gradient.transpose(1, 2);
        destination.copy_(groupSize == 1
            ? byToken
            : byToken.reshape(shape.Sequences, shape.Tokens, _numKeyValueHeads, groupSize, _headSize).sum(3, type: ScalarType.Float32));
    }

    private Tensor Heads(Tensor rows, BatchShape shape) => rows.view(shape.Sequences, shape.Tokens, _numHeads, _headSize).transpose(1, 2);
}
