using Offload.Engine.Compute;
using Offload.Engine.Models;

namespace Offload.Engine.Swapping;

/// <summary>What libtorch allocates at most at once in one operation of <see cref="UnitCompute"/>, on one micro-batch.</summary>
internal static class ComputeWorkspace
{
    /// <summary>A bound for every operation and policy.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="shape">The largest micro-batch.</param>
    /// <param name="headChunkTokens">Tokens whose logits are in memory at once.</param>
    public static long Bytes(ModelLayout layout, ComputeType type, BatchShape shape, int headChunkTokens) =>
        Math.Max(Layer(layout, type, shape), Math.Max(Head(layout, type, shape, headChunkTokens), Embedding(layout, type, shape)));

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
            // ATen has no product of bf16 into fp32 on the CPU: each matrix's gradient is made in bf16 before it is added.
            long product = type == ComputeType.Float32 ? 0 : LargestMatrix(layout) * sizes.ElementBytes;
            return restored + (rows * Math.Max(mlp, attention) * sizes.ElementBytes) + product;
        }
    }

    private static long Head(ModelLayout layout, ComputeType type, BatchShape shape, int headChunkTokens)
    {
        checked
        {
            long elementBytes = type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort);
            long rows = (long)shape.Sequences * shape.Tokens;
            long hidden = layout.Config.HiddenSize;
            long vocabulary = layout.Config.VocabularySize;
            long chunk = Math.Min(headChunkTokens, rows);
            // The normed input, its gradient, the input's; a chunk's logits and its rows' gradient; in bf16 the matrix's gradient.
            return (((3 * rows * hidden) + (chunk * (vocabulary + hidden))) * elementBytes) + (type == ComputeType.Float32 ? 0 : vocabulary * hidden * elementBytes);
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
