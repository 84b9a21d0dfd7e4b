using Offload.Engine.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Token embedding with optional learned positions. Returned tensors belong to the caller.</summary>
internal static class EmbeddingOp
{
    /// <param name="ids">int64 [rows].</param>
    /// <param name="tokens">[vocabulary, H].</param>
    /// <param name="positions">[positions, H] or null.</param>
    /// <param name="positionOffset">Row of position 0.</param>
    /// <param name="shape">Micro-batch.</param>
    /// <returns>[rows, H].</returns>
    public static Tensor Forward(Tensor ids, Tensor tokens, Tensor? positions, int positionOffset, BatchShape shape)
    {
        Tensor output = tokens.index_select(0, ids);
        if (positions is not null)
        {
            using DisposeScope scope = NewDisposeScope();
            output.view(shape.Sequences, shape.Tokens, -1).add_(positions.narrow(0, positionOffset, shape.Tokens), Scalars.One);
        }

        return output;
    }

    /// <summary>Adds the gradients into their dense fp32 sums, rows in ascending order.</summary>
    /// <param name="ids">As forward.</param>
    /// <param name="gradOutput">[rows, H].</param>
    /// <param name="tokenSum">fp32 [vocabulary, H].</param>
    /// <param name="positionSum">fp32 [positions, H] or null.</param>
    /// <param name="positionOffset">Row of position 0.</param>
    /// <param name="paddingId">Id whose row gets no gradient, or null.</param>
    /// <param name="shape">Micro-batch.</param>
    public static void Backward(
        Tensor ids, Tensor gradOutput, Tensor tokenSum, Tensor? positionSum, int positionOffset, int? paddingId, BatchShape shape)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradient = gradOutput.to(ScalarType.Float32);
        Tensor byToken = paddingId is int padding ? gradient.masked_fill(ids.eq(Scalars.Of(padding)).unsqueeze(1), Scalars.Zero) : gradient;
        tokenSum.index_add_(0, ids, byToken, Scalars.One);
        if (positionSum is not null)
        {
            Tensor byPosition = gradient.view(shape.Sequences, shape.Tokens, -1).sum(dim: 0);
            positionSum.narrow(0, positionOffset, shape.Tokens).add_(byPosition, Scalars.One);
        }
    }
}
