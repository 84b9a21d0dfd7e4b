using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Offload.Engine.Tokenization;

namespace Offload.Engine.Tests.Tokenization;

/// <summary>A folder with a small byte-level tokenizer.json, to be changed by a test; deleted at the end.</summary>
internal sealed class TokenizerFolder : IDisposable
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public TokenizerFolder()
    {
        Vocabulary = [];
        for (int value = 0; value < 256; value++)
        {
            Vocabulary[ByteAlphabet.Character((byte)value).ToString()] = value;
        }

        Root = new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray(),
            ["normalizer"] = null,
            ["pre_tokenizer"] = ByteLevel(),
            ["post_processor"] = null,
            ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = Vocabulary,
                ["merges"] = new JsonArray(),
            },
        };
    }

    public string Path { get; } = Directory.CreateTempSubdirectory("offload-tokenizer-").FullName;

    public JsonObject Root { get; }

    public JsonObject Vocabulary { get; }

    public JsonObject Model => Root["model"]!.AsObject();

    public static JsonObject ByteLevel(bool useRegex = true, bool addPrefixSpace = false) => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = addPrefixSpace,
        ["trim_offsets"] = true,
        ["use_regex"] = useRegex,
    };

    public static JsonObject Split(string regex) => new()
    {
        ["type"] = "Split",
        ["pattern"] = new JsonObject { ["Regex"] = regex },
        ["behavior"] = "Isolated",
        ["invert"] = false,
    };

    public static JsonObject Sequence(string items, params JsonObject[] parts) => new()
    {
        ["type"] = "Sequence",
        [items] = new JsonArray([.. parts]),
    };

    public static JsonObject Template(params string[] single) => new()
    {
        ["type"] = "TemplateProcessing",
        ["single"] = new JsonArray([.. single.Select(item => item == "$A"
            ? new JsonObject { ["Sequence"] = new JsonObject { ["id"] = "A", ["type_id"] = 0 } }
            : new JsonObject { ["SpecialToken"] = new JsonObject { ["id"] = item, ["type_id"] = 0 } })]),
        ["special_tokens"] = new JsonObject(single.Where(item => item != "$A").Distinct().Select((item, index) =>
            KeyValuePair.Create<string, JsonNode?>(item, new JsonObject { ["id"] = item, ["ids"] = new JsonArray(256 + index) }))),
    };

    public TokenizerFolder Merge(string left, string right)
    {
        Vocabulary[left + right] = Vocabulary.Count;
        Model["merges"]!.AsArray().Add(new JsonArray(left, right));
        return this;
    }

    public TokenizerFolder Add(string content, bool special = false, bool normalized = false, bool lstrip = false, bool rstrip = false, bool singleWord = false)
    {
        JsonArray added = Root["added_tokens"]!.AsArray();
        added.Add(new JsonObject
        {
            ["id"] = Vocabulary.Count + added.Count,
            ["content"] = content,
            ["special"] = special,
            ["normalized"] = normalized,
            ["lstrip"] = lstrip,
            ["rstrip"] = rstrip,
            ["single_word"] = singleWord,
        });
        return this;
    }

    public TokenizerFolder Config(string json) => Write(TokenizerConfig.FileName, json);

    public TokenizerFolder Write(string name, string text)
    {
        File.WriteAllText(System.IO.Path.Combine(Path, name), text);
        return this;
    }

    public ITokenizer Load()
    {
        Write("tokenizer.json", Root.ToJsonString(Readable));
        return TokenizerLoader.Load(Path);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
