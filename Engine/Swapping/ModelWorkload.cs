using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Swapping.Cuda;
using Offload.Engine.Training;
using Offload.Swap.Planning;

namespace Offload.Engine.Swapping;

/// <summary>A model's training step as the planner needs it. Reads the layout alone, which a config.json is enough for.</summary>
internal static class ModelWorkload
{
    /// <summary>The step of a model.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="sequenceTokens">Tokens of a sequence.</param>
    /// <param name="microBatchSequences">Sequences of a micro-batch.</param>
    /// <param name="numMicroBatches">Micro-batches of a step.</param>
    /// <param name="headChunkTokens">Tokens whose logits are in memory at once.</param>
    /// <param name="tileParameters">Parameters of a tile of states.</param>
    /// <param name="device">What computes.</param>
    /// <exception cref="OverflowException">The sizes are beyond any memory.</exception>
    public static Workload Create(
        ModelLayout layout, ComputeType type, int sequenceTokens, int microBatchSequences, int numMicroBatches, int headChunkTokens, long tileParameters,
        ComputeDevice device = ComputeDevice.Cpu)
    {
        var shape = new BatchShape(microBatchSequences, sequenceTokens);
        var sizes = new ActivationSizes(layout.Config, type, shape);
        return new Workload
        {
            Units = [.. layout.Units.Select(unit => Shape(layout, unit, sizes, shape, device))],
            NumMicroBatches = numMicroBatches,
            HiddenBytes = checked(Rows(shape) * layout.Config.HiddenSize * sizes.ElementBytes),
            WeightBytes = sizes.ElementBytes,
            GradientBytes = sizes.ElementBytes,
            IsTied = layout.Config.TiedEmbeddings,
            WorkspaceBytes = device == ComputeDevice.Cuda
                ? CudaUnitCompute.WorkspaceBytes(layout, type, shape, headChunkTokens)
                : ComputeWorkspace.Bytes(layout, type, shape, headChunkTokens),
            AreNormsOnGpu = device == ComputeDevice.Cuda,
            TileParameters = tileParameters,
        };
    }

    private static long Rows(BatchShape shape) => (long)shape.Sequences * shape.Tokens;

    private static UnitShape Shape(ModelLayout layout, UnitLayout unit, ActivationSizes sizes, BatchShape shape, ComputeDevice device)
    {
        var result = new UnitShape
        {
            Name = unit.Name,
            Role = unit.Kind switch { UnitKind.Embedding => UnitRole.Embedding, UnitKind.Head => UnitRole.Head, _ => UnitRole.Layer },
            NumParameters = unit.Count,
            Flops = 0,
        };
        double flopsPerElement = 2.0 * Rows(shape);
        if (unit.Kind == UnitKind.Layer)
        {
            // Scores and their product with the values, 2 FLOPs each for head size and token looked back at, of which there are half on average.
            double attentionFlops = flopsPerElement * sizes.QuerySize * shape.Tokens;
            double hidden = layout.Config.HiddenSize;
            double[] products = [hidden * sizes.Columns(ActivationPart.Qkv), 0, sizes.QuerySize * hidden, hidden * sizes.UpSize];
            return result with
            {
                Flops = flopsPerElement * unit.Parameters.Where(parameter => parameter.IsMatrix).Sum(parameter => parameter.Count),
                AttentionFlops = attentionFlops,
                ElementBytes = (double)Rows(shape) * sizes.ElementBytes * LayerElements(layout.Config, sizes, device),
                Activations =
                [
                    .. ActivationSizes.Names.Select((name, i) =>
                        new ActivationShape(name, sizes.ActivationBytes(i), flopsPerElement * products[i], products[i] == 0 ? attentionFlops : 0)),
                ],
            };
        }

        // The embedding looks rows up. Of the head: forward, and both products of the backward; tied or not, it has the matrix.
        return result with
        {
            Flops = unit.Kind == UnitKind.Head ? 3 * flopsPerElement * layout.Config.VocabularySize * layout.Config.HiddenSize : 0,
            ElementBytes = (double)Rows(shape) * sizes.ElementBytes * (unit.Kind == UnitKind.Head ? HeadElements(layout.Config, device) : EmbeddingElements(layout.Config)),
        };
    }

    /// <summary>
    /// What the element-wise work of a layer's forward reads and writes, for each token. The backward is taken to have twice as much: by the same count
    /// it is 16 hidden states, three of the MLP's first outputs and two of its activated ones, which is 2.0 times the forward's of a plain MLP of
    /// four hidden states and 2.1 times that of a gated one of three and a half. On a GPU it is a third of what forward and backward have together, which is
    /// the forward's own of such a gated MLP; biases make the backward more than twice of it.
    /// </summary>
    private static double LayerElements(DecoderConfig config, ActivationSizes sizes, ComputeDevice device)
    {
        if (device == ComputeDevice.Cuda)
        {
            return (CudaLayerTraffic.ForwardElements(config, sizes) + CudaLayerTraffic.BackwardElements(config, sizes)) / 3;
        }

        // Two norms read and write, two residual sums read two and write one.
        const int HiddenStates = (2 * 2) + (2 * 3);

        // Rotated in place; normed: copied, normed, copied back.
        int queryKeyPasses = (config.Rope is null ? 0 : 2) + (config.QueryKeyNorm ? 6 : 0);
        return ((double)HiddenStates * config.HiddenSize) + (queryKeyPasses * (sizes.QuerySize + sizes.KeySize)) + sizes.UpSize + config.IntermediateSize;
    }

    /// <summary>
    /// The same of the head, forward and backward: the norm and its backward (5 hidden states); the loss reads the logits twice and puts their gradient in their
    /// place. On a GPU (CudaHead, its kernel of the loss) it finds them in the cache the second time.
    /// </summary>
    private static double HeadElements(DecoderConfig config, ComputeDevice device) =>
        (config.FinalNorm ? 5.0 * config.HiddenSize : 0) + ((device == ComputeDevice.Cuda ? 2.0 : 3.0) * config.VocabularySize);

    /// <summary>The same of the embedding's forward: rows are read and written, positions added. A GPU's kernel does the same.</summary>
    private static double EmbeddingElements(DecoderConfig config) => (config.LearnedPositionOffset is null ? 2.0 : 3.0) * config.HiddenSize;
}
