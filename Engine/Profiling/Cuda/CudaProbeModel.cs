using Offload.Engine.Models;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>The model whose layer is measured: hidden states, MLP and groups of heads of today's models of 7 to 9 G parameters. Stateless.</summary>
internal static class CudaProbeModel
{
    /// <summary>Tokens of a sequence.</summary>
    public const int Tokens = 2048;

    /// <summary>Sequences of a micro-batch: products of 8192 rows, whose rate no longer grows with them.</summary>
    public const int Sequences = 4;

    private const int HiddenSize = 4096;

    /// <summary>Four query heads share a key and value head.</summary>
    private const int GroupSize = 4;

    /// <summary>Its configuration; the vocabulary matters to nothing that is measured.</summary>
    /// <param name="headSize">Elements of a head; all heads together are as wide as the hidden states.</param>
    public static DecoderConfig Config(int headSize) => new()
    {
        ModelType = "llama",
        VocabularySize = 256,
        HiddenSize = HiddenSize,
        NumLayers = 1,
        NumHeads = HiddenSize / headSize,
        NumKeyValueHeads = HiddenSize / headSize / GroupSize,
        HeadSize = headSize,
        IntermediateSize = 14336,
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
}
