using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

/// <summary>Small random decoders of every family trait, and their parameters by Hub name.</summary>
internal static class RandomModels
{
    public static readonly RopeConfig?[] Ropes =
    [
        null,
        new RopeConfig(RopeKind.Default, 10_000),
        new RopeConfig(RopeKind.Linear, 500, Factor: 3),
        // The original context is a few tokens, so that small heads have frequencies on both sides of the bounds and between.
        new RopeConfig(RopeKind.Llama3, 100, Factor: 8, LowFrequencyFactor: 1, HighFrequencyFactor: 4, OriginalMaxPositions: 16),
    ];

    /// <summary>A random choice of every trait; sizes are small, mostly odd, and independent of one another where the model allows it.</summary>
    public static DecoderConfig Config(Random random)
    {
        string modelType = Pick(random, "llama", "opt", "gpt2");
        int numKeyValueHeads = random.Next(1, 4);
        RopeConfig? rope = Pick(random, Ropes);
        int headSize = 2 * random.Next(1, 13);
        return new DecoderConfig
        {
            ModelType = modelType,
            VocabularySize = random.Next(5, 60),
            HiddenSize = random.Next(3, 40),
            NumLayers = random.Next(1, 4),
            NumHeads = numKeyValueHeads * random.Next(1, 4),
            NumKeyValueHeads = numKeyValueHeads,
            HeadSize = headSize,
            IntermediateSize = random.Next(1, 50),
            MaxPositions = 64,
            Norm = Pick(random, NormKind.RmsNorm, NormKind.LayerNorm),
            NormEpsilon = 1e-5,
            Activation = Pick(random, ActivationKind.Silu, ActivationKind.Gelu, ActivationKind.GeluTanh, ActivationKind.Relu),
            GatedMlp = modelType == "llama",
            Rope = rope,
            LearnedPositionOffset = modelType switch { "opt" => 2, "gpt2" => 0, _ => null },
            QueryKeyValueBias = Flip(random),
            AttentionOutputBias = Flip(random),
            MlpBias = Flip(random),
            QueryKeyNorm = modelType == "llama" && Flip(random),
            FinalNorm = random.Next(4) > 0,
            TiedEmbeddings = Flip(random),
        };
    }

    /// <summary>Random values for every parameter of a unit: norms' weights near one, the rest of a size that keeps activations near one.</summary>
    public static float[] Parameters(Random random, UnitLayout unit)
    {
        using DisposeScope scope = NewDisposeScope();
        var values = new List<float>();
        foreach (ParameterInfo parameter in unit.Parameters)
        {
            bool isNorm = !parameter.IsMatrix && parameter.Name.EndsWith(".weight", StringComparison.Ordinal);
            double scale = parameter.IsMatrix ? 1 / Math.Sqrt(parameter.Shape[1]) : 0.3;
            values.AddRange(Tensors.Values(Tensors.Normal(random, ScalarType.Float32, scale, isNorm ? 1 : 0, [.. parameter.Shape])));
        }

        return [.. values];
    }

    /// <summary>The parameters of a unit as leaves for autograd, in the caller's dispose scope.</summary>
    public static Dictionary<string, Tensor> Leaves(UnitLayout unit, float[] values) => unit.Parameters.ToDictionary(
        parameter => parameter.Name,
        parameter => tensor(values.AsSpan((int)parameter.Offset, (int)parameter.Count).ToArray()).reshape([.. parameter.Shape]).detach().clone().requires_grad_());

    public static string Describe(DecoderConfig config) =>
        $"{config.ModelType} H{config.HiddenSize} heads {config.NumHeads}/{config.NumKeyValueHeads}x{config.HeadSize} F{config.IntermediateSize} "
        + $"{config.Norm} {config.Activation} rope {config.Rope?.Kind.ToString() ?? "none"} qkNorm {config.QueryKeyNorm}";

    private static bool Flip(Random random) => random.Next(2) == 0;

    private static T Pick<T>(Random random, params T[] choices) => choices[random.Next(choices.Length)];
}
