using Offload.Engine.Models;

namespace Offload.Engine.Tests.Swapping;

/// <summary>Small models of all kinds of layers, with sizes that a GPU's kernels like and others.</summary>
internal static class UnitCheckModels
{
    /// <summary>By name.</summary>
    public static IReadOnlyList<(string Name, DecoderConfig Config)> All { get; } =
    [
        // The embedding has more elements than are rounded by way of a buffer.
        ("llama, grouped heads", Llama(vocabulary: 8200, hidden: 256, numHeads: 8, numKeyValueHeads: 2, headSize: 32, intermediate: 704)),
        ("llama, heads of 128", Llama(vocabulary: 515, hidden: 384, numHeads: 3, numKeyValueHeads: 3, headSize: 128, intermediate: 1000) with
        {
            TiedEmbeddings = true,
            Rope = new RopeConfig(RopeKind.Llama3, 100, Factor: 8, LowFrequencyFactor: 1, HighFrequencyFactor: 4, OriginalMaxPositions: 16),
        }),
        ("llama, odd sizes", Llama(vocabulary: 57, hidden: 37, numHeads: 6, numKeyValueHeads: 2, headSize: 10, intermediate: 51)),
        ("qwen3", Llama(vocabulary: 333, hidden: 160, numHeads: 4, numKeyValueHeads: 2, headSize: 64, intermediate: 320) with
        {
            ModelType = "qwen3",
            QueryKeyNorm = true,
            TiedEmbeddings = true,
        }),
        ("gpt2", Classic("gpt2", hidden: 128, numHeads: 4, ActivationKind.GeluTanh) with { LearnedPositionOffset = 0 }),
        ("opt", Classic("opt", hidden: 120, numHeads: 6, ActivationKind.Relu) with { LearnedPositionOffset = 2, PaddingId = 1 }),
        ("opt, no final norm", Classic("opt", hidden: 64, numHeads: 2, ActivationKind.Gelu) with { LearnedPositionOffset = 2, FinalNorm = false }),
    ];

    private static DecoderConfig Llama(int vocabulary, int hidden, int numHeads, int numKeyValueHeads, int headSize, int intermediate) => new()
    {
        ModelType = "llama",
        VocabularySize = vocabulary,
        HiddenSize = hidden,
        NumLayers = 1,
        NumHeads = numHeads,
        NumKeyValueHeads = numKeyValueHeads,
        HeadSize = headSize,
        IntermediateSize = intermediate,
        MaxPositions = 256,
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

    private static DecoderConfig Classic(string modelType, int hidden, int numHeads, ActivationKind activation) => new()
    {
        ModelType = modelType,
        VocabularySize = 509,
        HiddenSize = hidden,
        NumLayers = 1,
        NumHeads = numHeads,
        NumKeyValueHeads = numHeads,
        HeadSize = hidden / numHeads,
        IntermediateSize = 4 * hidden,
        MaxPositions = 256,
        Norm = NormKind.LayerNorm,
        NormEpsilon = 1e-5,
        Activation = activation,
        GatedMlp = false,
        QueryKeyValueBias = true,
        AttentionOutputBias = true,
        MlpBias = true,
        TiedEmbeddings = true,
    };
}
