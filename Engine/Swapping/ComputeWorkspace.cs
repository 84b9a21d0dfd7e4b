using Offload.Engine.Compute;
using Offload.Engine.Models;

namespace Offload.Engine.Swapping;

/// <summary>
/// What compute allocates at most at once in one operation of <see cref="UnitCompute"/>, on one micro-batch. Counted from the operations' code, and
/// compared with the growth of resident memory (4 x 256 tokens, H 512, MLP 1408 gated, vocabulary 4096, large blocks mapped one by one so that
/// what is freed is gone), MiB: restored backward 45.4 in float32 and 29.5 in bfloat16, head 12.9 and 18.2, embedding at most 2.0.
/// </summary>
internal static class ComputeWorkspace
{
    /// <summary>Tensors' handles, ids, code that is compiled meanwhile: the operations above measure up to 2 MiB more than their tensors.</summary>
    private const long OtherBytes = 4L << 20;

    /// <summary>Column sums that the norm's backward keeps, of weight and bias: NormKernel's bound.</summary>
    private const long NormColumnSums = 2 * 256;

    /// <summary>A bound for every operation and policy.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="shape">The largest micro-batch.</param>
    /// <param name="headChunkTokens">Tokens whose logits are in memory at once.</param>
    /// <exception cref="OverflowException">More bytes than any memory has.</exception>
    public static long Bytes(ModelLayout layout, ComputeType type, BatchShape shape, int headChunkTokens) => checked(
        Math.Max(Layer(layout, type, shape), Math.Max(Head(layout, type, shape, headChunkTokens), Embedding(layout, type, shape)))
        + (NormColumnSums * layout.Config.HiddenSize * sizeof(float)) + OtherBytes);

    private static long Layer(ModelLayout layout, ComputeType type, BatchShape shape)
    {
        checked
        {
            DecoderConfig config = layout.Config;
            var sizes = new ActivationSizes(config, type, shape);
            long rows = (long)shape.Sequences * shape.Tokens;
            long hidden = config.HiddenSize;
            long restored = Enumerable.Range(0, ActivationSizes.NumActivations).Sum(sizes.ActivationBytes);
            // Gradients of up and of what is activated, the norm again; after that the norm's gradient and the layer's own.
            long mlp = sizes.UpSize + config.IntermediateSize + (3 * hidden);
            // Gradient between attention and MLP, of attention's output, of q, k and v, these packed; k and v repeated for their groups, and their
            // gradients by token before they are summed over groups.
            long attention = hidden + (2 * sizes.QuerySize) + (3 * sizes.QuerySize) + sizes.Columns(ActivationPart.Qkv) + (4 * sizes.QuerySize) + (2 * hidden);
            return restored + (rows * Math.Max((mlp * sizes.ElementBytes) + ExactGeluBytes(config), attention * sizes.ElementBytes))
                + ProductBytes(type, LargestMatrix(layout), rows * (Math.Max(sizes.UpSize, sizes.Columns(ActivationPart.Qkv)) + Math.Max(hidden, config.IntermediateSize)));
        }
    }

    /// <summary>For each row, of the formula of the exact GELU, which has no kernel of ours and keeps all its steps, in fp32, to its end.</summary>
    private static long ExactGeluBytes(DecoderConfig config)
    {
        // Argument and gradient in fp32; ten steps of the derivative and its product; if gated five more of the value, and the halves' products.
        const long Steps = 2 + 10 + 1;
        const long GatedSteps = 3 + 10 + 10;
        return config.Activation == ActivationKind.Gelu ? (config.GatedMlp ? GatedSteps : Steps) * config.IntermediateSize * sizeof(float) : 0;
    }

    /// <summary>
    /// What a bf16 matrix product takes beside its operands. ATen has none of bf16 into fp32 on the CPU, so a matrix's gradient is made in bf16
    /// before it is added; a processor without bf16 products makes it in fp32 before it is rounded (measured at H 2048, MLP 5632, whose largest
    /// gradient has 44 MiB: 84 MiB more); and the library packs operands.
    /// </summary>
    private static long ProductBytes(ComputeType type, long matrixElements, long operandElements) =>
        type == ComputeType.Float32 ? 0 : checked((matrixElements * (sizeof(ushort) + sizeof(float))) + (operandElements * sizeof(ushort)));

    private static long Head(ModelLayout layout, ComputeType type, BatchShape shape, int headChunkTokens)
    {
        checked
        {
            long elementBytes = type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort);
            long rows = (long)shape.Sequences * shape.Tokens;
            long hidden = layout.Config.HiddenSize;
            long vocabulary = layout.Config.VocabularySize;
            long chunk = Math.Min(headChunkTokens, rows);
            // The normed input, its gradient, the input's; a chunk's logits and its rows' gradient.
            return (((3 * rows * hidden) + (chunk * (vocabulary + hidden))) * elementBytes) + ProductBytes(type, vocabulary * hidden, chunk * (vocabulary + hidden));
        }
    }

    private static long Embedding(ModelLayout layout, ComputeType type, BatchShape shape)
    {
        checked
        {
            // The gradient in fp32 if it is not, once more without the padding's rows, and summed by position; ids in 64 bits.
            long rows = (long)shape.Sequences * shape.Tokens;
            long copies = (type == ComputeType.Float32 ? 0 : 1) + (layout.Config.PaddingId is null ? 0 : 1) + 1;
            return rows * ((copies * layout.Config.HiddenSize * sizeof(float)) + (2 * sizeof(long)));
        }
    }

    private static long LargestMatrix(ModelLayout layout)
    {
        LayerLayout layer = layout.Layer;
        return new[] { layer.Qkv, layer.AttentionOut, layer.Up, layer.Down }.Max(slot => slot.Shape[0] * slot.Shape[1]);
    }
}
