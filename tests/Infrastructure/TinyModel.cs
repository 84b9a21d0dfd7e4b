using System.Text.Json.Nodes;

namespace Offload.Tests.Infrastructure;

/// <summary>A Hub folder of a model small enough to train in milliseconds, without weights: two layers of width 32, bytes as tokens.</summary>
public static class TinyModel
{
    public const int VocabularySize = 257;
    public const int MaxPositions = 128;

    private static readonly string[] Words = ["the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "home"];

    /// <summary>config.json and tokenizer; the config can be changed before it is written.</summary>
    public static string Write(string folder, Action<JsonObject>? change = null)
    {
        Directory.CreateDirectory(folder);
        JsonObject config = Config();
        change?.Invoke(config);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), Tokenizer().ToJsonString());
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"eos_token":"<|end|>"}""");
        return folder;
    }

    /// <summary>Simple words in a seeded order; one byte a token, one token for the end.</summary>
    public static string WriteText(string path, int numWords = 1200, int seed = 1)
    {
        var random = new Random(seed);
        File.WriteAllText(path, string.Join(' ', Enumerable.Range(0, numWords).Select(_ => Words[random.Next(Words.Length)])));
        return path;
    }

    private static JsonObject Config() => new()
    {
        ["model_type"] = "llama",
        ["architectures"] = new JsonArray("LlamaForCausalLM"),
        ["vocab_size"] = VocabularySize,
        ["hidden_size"] = 32,
        ["intermediate_size"] = 64,
        ["num_hidden_layers"] = 2,
        ["num_attention_heads"] = 4,
        ["num_key_value_heads"] = 2,
        ["max_position_embeddings"] = MaxPositions,
        ["rms_norm_eps"] = 1e-5,
        ["rope_theta"] = 10000.0,
        ["hidden_act"] = "silu",
        ["tie_word_embeddings"] = false,
        ["torch_dtype"] = "float32",
        ["eos_token_id"] = VocabularySize - 1,
    };

    private static JsonObject Tokenizer() => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray(new JsonObject
        {
            ["id"] = VocabularySize - 1,
            ["content"] = "<|end|>",
            ["single_word"] = false,
            ["lstrip"] = false,
            ["rstrip"] = false,
            ["normalized"] = false,
            ["special"] = true,
        }),
        ["normalizer"] = null,
        ["pre_tokenizer"] = ByteLevel(),
        ["post_processor"] = null,
        ["decoder"] = ByteLevel(),
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["vocab"] = new JsonObject(ByteAlphabet().Select((character, value) => KeyValuePair.Create(character, (JsonNode?)value))),
            ["merges"] = new JsonArray(),
        },
    };

    private static JsonObject ByteLevel() => new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true };

    /// <summary>GPT-2's: printable bytes stand for themselves, the others for characters from U+0100 on.</summary>
    private static IEnumerable<string> ByteAlphabet()
    {
        int other = 256;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174;
            yield return ((char)(isPrintable ? value : other++)).ToString();
        }
    }
}
