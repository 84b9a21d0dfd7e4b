using System.Text.Json;
using Offload.Storage;

namespace Offload.Engine.Tokenization;

/// <summary>Reads a tokenizer.json with a byte-level BPE. Every part is either understood exactly or refused by its path.</summary>
internal static class ByteLevelReader
{
    // Ids index embeddings: the largest vocabularies have some 300 thousand.
    private const int MaxId = (1 << 24) - 1;

    /// <exception cref="UnreadableInputException">A part is missing, malformed or not supported.</exception>
    public static ByteLevelSpec Read(JsonPart root, TokenizerConfig config)
    {
        JsonPart model = root.Required("model");
        RequireSupported(model);
        Dictionary<string, int> vocabulary = ReadVocabulary(model.Required("vocab"));
        List<(string Left, string Right)> merges = ReadMerges(model.Required("merges"), vocabulary);
        bool nfc = ReadNormalizer(root.Optional("normalizer"));
        JsonPart preTokenizer = root.Optional("pre_tokenizer")
            ?? throw root.Error("pre_tokenizer is null; only byte-level tokenizers are supported");
        PreTokenizerReader splits = PreTokenizerReader.Read(preTokenizer);
        RequireType(root.Optional("decoder") ?? throw root.Error("decoder is null; expected ByteLevel"), "ByteLevel");
        List<AddedToken> added = ReadAddedTokens(root.Optional("added_tokens"), vocabulary);
        int? IdOf(string token) => added.Find(other => other.Content == token)?.Id ?? (vocabulary.TryGetValue(token, out int id) ? id : null);
        (int? begin, int? end) = PostProcessorReader.Read(root.Optional("post_processor"), IdOf);
        return new ByteLevelSpec
        {
            Vocabulary = vocabulary,
            Merges = merges,
            IgnoreMerges = model.Flag("ignore_merges", whenMissing: false),
            AddedTokens = added,
            Nfc = nfc,
            Steps = splits.Steps,
            CanSplitAtLineBreaks = splits.LineSafe && !added.Exists(token => token.LeftStrip || token.Content.Contains('\n')),
            BeginOfTextId = config.BeginOfTextId(begin, IdOf),
            EndOfTextId = config.EndOfTextId(end, IdOf),
        };
    }

    /// <exception cref="UnreadableInputException">The part is of another type.</exception>
    public static void RequireType(JsonPart part, params string[] supported)
    {
        string type = part.Text("type");
        if (!supported.Contains(type))
        {
            throw part.Error($"the type '{type}' is not supported; supported here: {string.Join(", ", supported)}");
        }
    }

    private static void RequireSupported(JsonPart model)
    {
        string type = model.Optional("type")?.Text() ?? "BPE";
        if (type != "BPE")
        {
            throw model.Error($"the type '{type}' is not supported; supported here: BPE", "Models with byte-level BPE, as GPT-2, Llama 3 and Qwen have, can be used.");
        }

        RequirePlainMerges(model);
        Refuse(model.Optional("byte_fallback"), part => !part.Flag(), "With byte fallback the model's tokenizer.model is needed beside it.");
        Refuse(model.Optional("fuse_unk"), part => !part.Flag());
    }

    /// <summary>Refuses what changes how a BPE merges.</summary>
    /// <exception cref="UnreadableInputException">Dropout, or marks at the pieces' ends.</exception>
    public static void RequirePlainMerges(JsonPart model)
    {
        Refuse(model.Optional("dropout"), part => part.Kind == JsonValueKind.Number && part.Found is "0" or "0.0");
        Refuse(model.Optional("continuing_subword_prefix"), part => part.Text().Length == 0);
        Refuse(model.Optional("end_of_word_suffix"), part => part.Text().Length == 0);
    }

    private static void Refuse(JsonPart? part, Func<JsonPart, bool> harmless, string? hint = null)
    {
        if (part is { } value && !harmless(value))
        {
            throw value.Error($"{value.Found} is not supported", hint);
        }
    }

    private static Dictionary<string, int> ReadVocabulary(JsonPart part)
    {
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        var tokens = new Dictionary<int, string>();
        foreach ((string token, JsonPart value) in part.Members())
        {
            int id = value.Integer();
            if (id is < 0 or > MaxId)
            {
                throw value.Error($"the id {id} is not between 0 and {MaxId}");
            }

            if (!tokens.TryAdd(id, token))
            {
                throw value.Error($"the id {id} is also that of '{tokens[id]}'");
            }

            if (!vocabulary.TryAdd(token, id))
            {
                throw value.Error("the token occurs twice");
            }
        }

        // 0xC0, 0xC1 and 0xF5 to 0xFF never occur in UTF-8.
        List<int> missing = [.. Enumerable.Range(0, 0xF5).Where(value => value is not (0xC0 or 0xC1) && !vocabulary.ContainsKey(ByteAlphabet.Character((byte)value).ToString()))];
        return missing.Count == 0
            ? vocabulary
            : throw part.Error($"{missing.Count} of the 243 bytes of UTF-8 have no token, the first being 0x{missing[0]:X2}", "The vocabulary may be truncated, or not byte-level.");
    }

    /// <summary>The merges, best first, each once.</summary>
    /// <exception cref="UnreadableInputException">One is malformed, or of tokens that are not in the vocabulary.</exception>
    public static List<(string Left, string Right)> ReadMerges(JsonPart part, Dictionary<string, int> vocabulary)
    {
        var merges = new List<(string Left, string Right)>();
        foreach (JsonPart item in part.Items())
        {
            string[] pair;
            if (item.Kind == JsonValueKind.Array)
            {
                pair = [.. item.Items().Select(half => half.Text())];
            }
            else
            {
                string text = item.Text();
                if (text.StartsWith("#version", StringComparison.Ordinal))
                {
                    continue;
                }

                pair = text.Split(' ');
            }

            if (pair.Length != 2)
            {
                throw item.Error($"expected two tokens, found {pair.Length}");
            }

            if (Array.Find([pair[0], pair[1], pair[0] + pair[1]], token => !vocabulary.ContainsKey(token)) is { } unknown)
            {
                throw item.Error($"the token '{unknown}' is not in the vocabulary", "The file may be truncated, or pieced together from two models.");
            }

            if (pair[0].Contains(' ') || pair[1].Contains(' '))
            {
                throw item.Error("a token with a space is not in the byte alphabet");
            }

            merges.Add((pair[0], pair[1]));
        }

        // Of a pair that occurs twice the library keeps the later rank.
        return [.. Enumerable.Reverse(merges).Distinct().Reverse()];
    }

    private static bool ReadNormalizer(JsonPart? part)
    {
        if (part is null)
        {
            return false;
        }

        RequireType(part.Value, "NFC", "Sequence");
        if (part.Value.Text("type") == "NFC")
        {
            return true;
        }

        bool nfc = false;
        foreach (JsonPart item in part.Value.Required("normalizers").Items())
        {
            nfc |= ReadNormalizer(item);
        }

        return nfc;
    }

    private static List<AddedToken> ReadAddedTokens(JsonPart? part, Dictionary<string, int> vocabulary)
    {
        var added = new List<AddedToken>();
        if (part is null)
        {
            return added;
        }

        var contents = new HashSet<string>(StringComparer.Ordinal);
        var vocabularyIds = new HashSet<int>(vocabulary.Values);
        int largest = -1;
        foreach (JsonPart item in part.Value.Items())
        {
            AddedToken token = AddedToken.Read(item, item.Required("id").Integer());
            if (token.Content.Length == 0)
            {
                continue; // the library ignores it
            }

            if (!contents.Add(token.Content))
            {
                throw item.Error($"'{token.Content}' is added twice");
            }

            // The library takes the vocabulary's id, else the next free one, whatever the file says: then the file is of no model.
            bool inVocabulary = vocabulary.TryGetValue(token.Content, out int expected);
            expected = inVocabulary ? expected : Math.Max(vocabulary.Count, largest + 1);
            if (token.Id != expected)
            {
                throw item.Required("id").Error($"'{token.Content}' has the id {token.Id}, expected {expected}", "The file may have been edited by hand.");
            }

            if (!inVocabulary && vocabularyIds.Contains(token.Id))
            {
                throw item.Required("id").Error($"the id {token.Id} of '{token.Content}' is also that of a token of the vocabulary");
            }

            largest = Math.Max(largest, token.Id);
            added.Add(token);
        }

        return added;
    }
}
