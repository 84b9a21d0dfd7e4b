using System.Text.Json.Nodes;

namespace Offload.DemoAssets.Model;

/// <summary>
/// The shape of the demo's model, a small member of the llama family, as the Hub's <c>config.json</c>. Numbers that are parsed keep
/// their spelling: some readers of the file tell 10000.0 from 10000.
/// </summary>
internal static class DemoModelFiles
{
    /// <summary>Longest sequence in tokens: two of the longest stories fit.</summary>
    public const int MaxPositions = 512;

    private const int HiddenSize = 192;
    private const int NumLayers = 6;
    private const int NumHeads = 6;
    private const int NumKeyValueHeads = 2;
    private const int HeadDim = 32;
    private const int IntermediateSize = 512;

    /// <summary>Parameters of the model; the head is the embedding (tied).</summary>
    public static long CountParameters(int vocabularySize)
    {
        const long attention = HiddenSize * HeadDim * ((2L * NumHeads) + (2L * NumKeyValueHeads)); // q, o; k, v
        const long mlp = 3L * HiddenSize * IntermediateSize; // gate, up, down
        const long norms = 2L * HiddenSize;
        return ((long)vocabularySize * HiddenSize) + (NumLayers * (attention + mlp + norms)) + HiddenSize;
    }

    /// <summary>Writes <c>config.json</c> and <c>generation_config.json</c> into a folder.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Write(string folder, int vocabularySize)
    {
        HubJson.Write(Path.Combine(folder, "config.json"), new JsonObject
        {
            ["architectures"] = new JsonArray("LlamaForCausalLM"),
            ["attention_bias"] = false,
            ["bos_token_id"] = 0,
            ["eos_token_id"] = 0,
            ["head_dim"] = HeadDim,
            ["hidden_act"] = "silu",
            ["hidden_size"] = HiddenSize,
            ["initializer_range"] = 0.02,
            ["intermediate_size"] = IntermediateSize,
            ["max_position_embeddings"] = MaxPositions,
            ["mlp_bias"] = false,
            ["model_type"] = "llama",
            ["num_attention_heads"] = NumHeads,
            ["num_hidden_layers"] = NumLayers,
            ["num_key_value_heads"] = NumKeyValueHeads,
            ["rms_norm_eps"] = JsonNode.Parse("1e-05"),
            ["rope_scaling"] = null,
            ["rope_theta"] = JsonNode.Parse("10000.0"),
            ["tie_word_embeddings"] = true,
            ["torch_dtype"] = "bfloat16",
            ["vocab_size"] = vocabularySize,
        });
        HubJson.Write(Path.Combine(folder, "generation_config.json"), new JsonObject
        {
            ["bos_token_id"] = 0,
            ["do_sample"] = true,
            ["eos_token_id"] = 0,
            ["temperature"] = 0.8,
            ["top_p"] = 0.95,
        });
    }
}
