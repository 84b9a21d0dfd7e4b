using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Training;

namespace Offload.Engine.Tests.Compute;

/// <summary>A seeded random Llama of two layers.</summary>
internal static class SmallLlama
{
    public const int Tokens = 32;

    public static DecoderConfig Config { get; } = new()
    {
        ModelType = "llama",
        VocabularySize = SyntheticText.VocabularySize,
        HiddenSize = 64,
        NumLayers = 2,
        NumHeads = 4,
        NumKeyValueHeads = 2,
        HeadSize = 16,
        IntermediateSize = 160,
        MaxPositions = Tokens,
        Norm = NormKind.RmsNorm,
        NormEpsilon = 1e-5,
        Activation = ActivationKind.Silu,
        GatedMlp = true,
        Rope = new RopeConfig(RopeKind.Default, 10_000),
        QueryKeyValueBias = false,
        AttentionOutputBias = false,
        MlpBias = false,
        TiedEmbeddings = false,
    };

    public static ResidentModel Create(ComputeType type, ParallelRanges threads)
    {
        var numerics = new RunNumerics
        {
            Type = type,
            SequenceTokens = Tokens,
            MicroBatchSequences = 8,
            HeadChunkTokens = 100,
            Seed = 1,
            ComputeThreads = threads.NumThreads,
        };
        var random = new Random(1);
        var model = new ResidentModel(ModelLayout.Create(Config), numerics, threads);
        foreach (UnitTensors unit in model.Units)
        {
            model.WriteMasters(unit.Layout.Index, 0, RandomModels.Parameters(random, unit.Layout));
        }

        model.CompleteMasters();
        return model;
    }
}
