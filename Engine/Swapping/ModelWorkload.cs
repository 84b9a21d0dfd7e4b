using Offload.Engine.Compute;
using Offload.Engine.Models;
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
    /// <exception cref="OverflowException">The sizes are beyond any memory.</exception>
    public static Workload Create(
        ModelLayout layout, ComputeType type, int sequenceTokens, int microBatchSequences, int numMicroBatches, int headChunkTokens, long tileParameters)
    {
        var shape = new BatchShape(microBatchSequences, sequenceTokens);
        var sizes = new ActivationSizes(layout.Config, type, shape);
        return new Workload
        {
            Units = [.. layout.Units.Select(unit => Shape(layout, unit, sizes, shape))],
            NumMicroBatches = numMicroBatches,
            HiddenBytes = checked(Rows(shape) * layout.Config.HiddenSize * sizes.ElementBytes),
            WeightBytes = sizes.ElementBytes,
            GradientBytes = sizes.ElementBytes,
            IsTied = layout.Config.TiedEmbeddings,
            WorkspaceBytes = ComputeWorkspace.Bytes(layout, type, shape, headChunkTokens),
            TileParameters = tileParameters,
        };
    }

    private static long Rows(BatchShape shape) => (long)shape.Sequences * shape.Tokens;

    private static UnitShape Shape(ModelLayout layout, UnitLayout unit, ActivationSizes sizes, BatchShape shape)
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
                Activations =
                [
                    .. ActivationSizes.Names.Select((name, i) =>
                        new ActivationShape(name, sizes.ActivationBytes(i), flopsPerElement * products[i], products[i] == 0 ? attentionFlops : 0)),
                ],
            };
        }

        // The embedding looks rows up. Of the head: forward, and both products of the backward; tied or not, it has the matrix.
        return unit.Kind == UnitKind.Head ? result with { Flops = 3 * flopsPerElement * layout.Config.VocabularySize * layout.Config.HiddenSize } : result;
    }
}
