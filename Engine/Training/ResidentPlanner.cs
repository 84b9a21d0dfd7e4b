using Offload.Engine.Models;
using Offload.Profiles;
using Offload.Swap;

namespace Offload.Engine.Training;

/// <summary>Counts what a resident run takes.</summary>
internal static class ResidentPlanner
{
    /// <summary>The plan of a run.</summary>
    public static ResidentPlan Plan(ModelLayout layout, RunNumerics numerics)
    {
        DecoderConfig config = layout.Config;
        long elementBytes = numerics.Type == ComputeType.Float32 ? 4 : 2;
        long count = layout.NumParameters;
        long rows = (long)numerics.MicroBatchSequences * numerics.SequenceTokens;
        long querySize = (long)config.NumHeads * config.HeadSize;
        long packedSize = querySize + (2L * config.NumKeyValueHeads * config.HeadSize);
        long upSize = (config.GatedMlp ? 2L : 1L) * config.IntermediateSize;
        // Kept for the backward of a layer: input, packed projections, attention's output, middle, up.
        long layerElements = rows * ((2L * config.HiddenSize) + packedSize + querySize + upSize + (config.QueryKeyNorm ? packedSize : 0));
        // At work in one layer: gradients of up, activated and packed projections, and a few of the width of the residual stream.
        long workElements = rows * (upSize + (2L * config.IntermediateSize) + (3 * querySize) + (4L * config.HiddenSize));
        long chunkBytes = Math.Min(numerics.HeadChunkTokens, rows) * config.VocabularySize * elementBytes;
        long tiedSumBytes = config.TiedEmbeddings ? 4L * config.VocabularySize * config.HiddenSize : 0;
        return new ResidentPlan(
            StateBytes: 12 * count,
            ComputeWeightBytes: numerics.Type == ComputeType.Float32 ? 4 * count : 0,
            GradientBytes: (4 * count) + (numerics.Type == ComputeType.BFloat16 ? 2 * count : 0) + tiedSumBytes,
            ActivationBytes: (((layerElements * config.NumLayers) + workElements) * elementBytes) + chunkBytes);
    }

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
