using System.Text.Json.Nodes;

namespace Offload.Cli.Benchmarks;

/// <summary>A model of the Llama family by its sizes: no weights are needed for its speed.</summary>
/// <param name="Name">For reports.</param>
/// <param name="VocabularySize">Rows of the embedding; the head has a matrix of its own.</param>
/// <param name="HiddenSize">Width.</param>
/// <param name="IntermediateSize">Width of the MLP.</param>
/// <param name="NumLayers">Decoder layers.</param>
/// <param name="NumHeads">Query heads.</param>
/// <param name="NumKeyValueHeads">Key and value heads.</param>
internal sealed record GpuBenchShape(string Name, int VocabularySize, int HiddenSize, int IntermediateSize, int NumLayers, int NumHeads, int NumKeyValueHeads)
{
    /// <summary>TinyLlama's shape: 1.1 G parameters.</summary>
    internal static GpuBenchShape OneB { get; } = new("1b", 32000, 2048, 5632, 22, 32, 4);

    /// <summary>OpenLLaMA 3B's width with grouped heads and 20 layers: 2.2 G parameters.</summary>
    internal static GpuBenchShape ThreeBOf20Layers { get; } = new("3b-20", 32000, 3072, 8192, 20, 24, 8);

    /// <summary>Llama 7B's shape: 6.7 G parameters.</summary>
    internal static GpuBenchShape SevenB { get; } = new("7b", 32000, 4096, 11008, 32, 32, 32);

    /// <summary>Writes a Hub folder with a <c>config.json</c> alone, named as the shape.</summary>
    /// <param name="parent">Where; exists.</param>
    /// <returns>The folder.</returns>
    internal string Write(string parent)
    {
        string folder = Path.Combine(parent, Name);
        Directory.CreateDirectory(folder);
        var config = new JsonObject
        {
            ["model_type"] = "llama",
            ["architectures"] = new JsonArray("LlamaForCausalLM"),
            ["vocab_size"] = VocabularySize,
            ["hidden_size"] = HiddenSize,
            ["intermediate_size"] = IntermediateSize,
            ["num_hidden_layers"] = NumLayers,
            ["num_attention_heads"] = NumHeads,
            ["num_key_value_heads"] = NumKeyValueHeads,
            ["max_position_embeddings"] = 2048,
            ["hidden_act"] = "silu",
            ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 10000.0,
            ["tie_word_embeddings"] = false,
        };
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        return folder;
    }
}
