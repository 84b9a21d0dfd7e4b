using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.States;
using Offload.Profiles;
using Offload.Storage;
using Offload.Swap;

namespace Offload.Engine.Training;

/// <summary>Counts what a resident run takes.</summary>
internal static class ResidentPlanner
{
    /// <summary>What the program takes beside the model: libtorch's code and tables, the runtime, the tokenizer. Measured: 180 MiB (docs/log.md).</summary>
    private const long ProgramBytes = 200L << 20;

    /// <summary>
    /// Resident bytes for a byte of activations. The C library keeps much of what libtorch frees between operators: measured 1.9 in bf16 and
    /// 2.1 in float32 for a model of 2.8 million parameters (docs/log.md).
    /// </summary>
    private const double AllocatorFactor = 2.25;

    /// <summary>Tiles in memory at once: those that are written, and those that are read beside them.</summary>
    private const int NumTileSlots = TileRing.NumSlots + NumReaderSlots;

    /// <summary>Tiles in memory at once while masters are read.</summary>
    private const int NumReaderSlots = StoreMasters.Lookahead + 1;

    /// <summary>The plan of a run.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="areStatesOnDrives">Whether states live in a store alone.</param>
    /// <param name="maxTileBytes">Memory of the store's largest tile.</param>
    /// <exception cref="UnreadableInputException">The model's sizes are beyond any memory.</exception>
    public static ResidentPlan Plan(ModelLayout layout, RunNumerics numerics, bool areStatesOnDrives, long maxTileBytes)
    {
        try
        {
            return PlanChecked(layout, numerics, areStatesOnDrives, maxTileBytes);
        }
        catch (OverflowException error)
        {
            throw TooLarge(error);
        }
    }

    /// <summary>The plan of evaluation and generation: weights alone, and one sequence at work.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="maxTileBytes">Memory of the largest tile of the store that the weights come from; 0: they come from none.</param>
    /// <exception cref="UnreadableInputException">The model's sizes are beyond any memory.</exception>
    public static ResidentPlan PlanForward(ModelLayout layout, ComputeType type, long maxTileBytes)
    {
        try
        {
            long count = layout.NumParameters;
            return new ResidentPlan(checked(4 * count), NumReaderSlots * maxTileBytes, type == ComputeType.Float32 ? checked(4 * count) : 0, GradientBytes: 0, ActivationBytes: ProgramBytes);
        }
        catch (OverflowException error)
        {
            throw TooLarge(error);
        }
    }

    private static ResidentPlan PlanChecked(ModelLayout layout, RunNumerics numerics, bool areStatesOnDrives, long maxTileBytes)
    {
        checked
        {
            DecoderConfig config = layout.Config;
            bool isFloat32 = numerics.Type == ComputeType.Float32;
            long elementBytes = isFloat32 ? 4 : 2;
            long count = layout.NumParameters;
            long headCount = (long)config.VocabularySize * config.HiddenSize;
            long rows = (long)numerics.MicroBatchSequences * numerics.SequenceTokens;
            long querySize = (long)config.NumHeads * config.HeadSize;
            long packedSize = querySize + (2L * config.NumKeyValueHeads * config.HeadSize);
            long upSize = (config.GatedMlp ? 2L : 1L) * config.IntermediateSize;
            // Kept for the backward of a layer: input, packed projections, attention's output, middle, up.
            long layerElements = rows * ((2L * config.HiddenSize) + packedSize + querySize + upSize + (config.QueryKeyNorm ? packedSize : 0));
            // At work in one layer's MLP (gradient of up, activated, its gradient) or attention (q, k and v repeated for their groups, their
            // gradients, those packed, the output's gradient), and a few of the width of the residual stream.
            long mlpElements = upSize + (2L * config.IntermediateSize);
            long attentionElements = (6 * querySize) + packedSize + (2 * querySize);
            long workElements = rows * (Math.Max(mlpElements, attentionElements) + (4L * config.HiddenSize));
            // A chunk of logits, the fp32 copy of the embedding's gradient, and in bf16 a matrix's gradient before it is added to its sum.
            long chunkBytes = Math.Min(numerics.HeadChunkTokens, rows) * config.VocabularySize * elementBytes;
            long gradientCopyBytes = isFloat32 ? 0 : Math.Max(headCount * 2, rows * config.HiddenSize * 4);
            long tiedSumBytes = config.TiedEmbeddings ? 4 * headCount : 0;
            return new ResidentPlan(
                StateBytes: areStatesOnDrives ? 0 : AdamWParts.BytesPerParameter * count,
                TileBytes: NumTileSlots * maxTileBytes,
                // In memory and in bf16, the masters' high halves are the compute weights.
                ComputeWeightBytes: isFloat32 ? 4 * count : areStatesOnDrives ? 2 * count : 0,
                GradientBytes: (4 * count) + (isFloat32 ? 0 : 2 * count) + tiedSumBytes,
                ActivationBytes: (long)(AllocatorFactor * ((((layerElements * config.NumLayers) + workElements) * elementBytes) + chunkBytes)) + gradientCopyBytes + ProgramBytes);
        }
    }

    private static UnreadableInputException TooLarge(OverflowException error) =>
        new("config.json", "the sizes multiply to more bytes than any memory has", "check hidden_size, intermediate_size, vocab_size and num_hidden_layers", error);

    /// <summary>The model's shape as arithmetic needs it.</summary>
    public static ModelProfile Profile(ModelLayout layout)
    {
        DecoderConfig config = layout.Config;
        long layerMatrices = layout.Units.Where(unit => unit.Kind == UnitKind.Layer)
            .Sum(unit => unit.Parameters.Where(parameter => parameter.IsMatrix).Sum(parameter => parameter.Count));
        return new ModelProfile(
            layout.NumParameters,
            layerMatrices + ((long)config.VocabularySize * config.HiddenSize),
            config.NumLayers,
            (long)config.NumHeads * config.HeadSize);
    }
}
