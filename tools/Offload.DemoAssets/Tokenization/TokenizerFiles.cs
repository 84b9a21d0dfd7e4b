using System.Text.Json.Nodes;
using Offload.DemoAssets.Model;

namespace Offload.DemoAssets.Tokenization;

/// <summary>Writes a vocabulary as the Hub's <c>tokenizer.json</c> and <c>tokenizer_config.json</c>.</summary>
internal static class TokenizerFiles
{
    /// <summary>Writes both files into a folder.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Write(string folder, BpeVocabulary vocabulary, int maxTokens)
    {
        HubJson.Write(Path.Combine(folder, "tokenizer.json"), ToTokenizerJson(vocabulary));
        HubJson.Write(Path.Combine(folder, "tokenizer_config.json"), new JsonObject
        {
            ["add_prefix_space"] = false,
            ["bos_token"] = BpeVocabulary.EndOfText,
            ["clean_up_tokenization_spaces"] = false,
            ["eos_token"] = BpeVocabulary.EndOfText,
            ["model_max_length"] = maxTokens,
            ["tokenizer_class"] = "PreTrainedTokenizerFast",
        });
    }

    /// <summary>The content of <c>tokenizer.json</c>.</summary>
    public static JsonObject ToTokenizerJson(BpeVocabulary vocabulary)
    {
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(new JsonObject
            {
                ["id"] = 0,
                ["content"] = BpeVocabulary.EndOfText,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true,
            }),
            ["normalizer"] = null,
            ["pre_tokenizer"] = ByteLevel(addPrefixSpace: false),
            ["post_processor"] = null,
            ["decoder"] = ByteLevel(addPrefixSpace: true),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = null,
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["byte_fallback"] = false,
                ["ignore_merges"] = false,
                ["vocab"] = new JsonObject(vocabulary.Tokens.Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id))),
                ["merges"] = new JsonArray([.. vocabulary.Merges.Select(merge => new JsonArray(merge.Left, merge.Right))]),
            },
        };
    }

    private static JsonObject ByteLevel(bool addPrefixSpace)
    {
        return new JsonObject
        {
            ["type"] = "ByteLevel",
            ["add_prefix_space"] = addPrefixSpace,
            ["trim_offsets"] = true,
            ["use_regex"] = true,
        };
    }
}
