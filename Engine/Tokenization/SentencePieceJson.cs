namespace Offload.Engine.Tokenization;

/// <summary>
/// Checks that a tokenizer.json beside a tokenizer.model is the same SentencePiece BPE written out, as transformers' LlamaConverter
/// does it: then it adds nothing but added tokens, the rule of the prefix space and the merges' order among equal scores.
/// </summary>
internal static class SentencePieceJson
{
    private const string Space = "\u2581";

    /// <summary>The merges of a tokenizer.json whose vocabulary is that of <paramref name="ids"/>.</summary>
    /// <param name="root">The whole file.</param>
    /// <param name="ids">The id of each piece of tokenizer.model.</param>
    /// <exception cref="Storage.UnreadableInputException">Another vocabulary, or a part that is malformed or not supported.</exception>
    public static List<(string Left, string Right)> ReadMerges(JsonPart root, Dictionary<string, int> ids)
    {
        JsonPart model = root.Required("model");
        ByteLevelReader.RequirePlainMerges(model);
        if (model.Flag("ignore_merges", whenMissing: false))
        {
            throw model.Required("ignore_merges").Error("true is not supported here");
        }

        JsonPart vocabulary = model.Required("vocab");
        int numTokens = 0;
        foreach ((string token, JsonPart id) in vocabulary.Members())
        {
            numTokens++;
            if (!ids.TryGetValue(token, out int expected) || id.Integer() != expected)
            {
                throw id.Error(
                    ids.ContainsKey(token) ? $"expected the id {expected} of tokenizer.model, found {id.Found}" : "the token is not in tokenizer.model",
                    "The two files may belong to different models.");
            }
        }

        return numTokens == ids.Count
            ? ByteLevelReader.ReadMerges(model.Required("merges"), ids)
            : throw vocabulary.Error($"expected the {ids.Count} pieces of tokenizer.model, found {numTokens} tokens", "The two files may belong to different models.");
    }

    /// <summary>Where the prefix space goes.</summary>
    /// <exception cref="Storage.UnreadableInputException">Normalizer, pre_tokenizer or decoder do more, or less, than that.</exception>
    public static PrefixSpace ReadPrefix(JsonPart root)
    {
        RequireDecoder(root.Required("decoder"));
        JsonPart? normalizer = root.Optional("normalizer");
        if (root.Optional("pre_tokenizer") is { } metaspace)
        {
            ByteLevelReader.RequireType(metaspace, "Metaspace");
            RequireText(metaspace, "replacement", Space);
            JsonPart scheme = metaspace.Required("prepend_scheme");
            return normalizer is null && scheme.Text() == "first" && !metaspace.Flag("split", whenMissing: true)
                ? PrefixSpace.FirstSegment
                : throw metaspace.Error("only a Metaspace with prepend_scheme 'first', no split, and no normalizer is supported");
        }

        if (normalizer is not { } sequence)
        {
            throw root.Error("neither a normalizer nor a pre_tokenizer says where the prefix space goes");
        }

        JsonPart[] items = Sequence(sequence, "normalizers", "Prepend", "Replace");
        RequireText(items[0], "prepend", Space);
        RequireReplace(items[1], " ", Space);
        return PrefixSpace.EachSegment;
    }

    private static void RequireDecoder(JsonPart decoder)
    {
        JsonPart[] items = Sequence(decoder, "decoders", "Replace", "ByteFallback", "Fuse", "Strip");
        RequireReplace(items[0], Space, " ");
        RequireText(items[3], "content", " ");
        if (items[3].Required("start").Integer() != 1 || items[3].Required("stop").Integer() != 0)
        {
            throw items[3].Error("expected one space stripped at the start, none at the end");
        }
    }

    private static JsonPart[] Sequence(JsonPart part, string name, params string[] types)
    {
        ByteLevelReader.RequireType(part, "Sequence");
        JsonPart list = part.Required(name);
        JsonPart[] items = [.. list.Items()];
        return items.Select(item => item.Text("type")).SequenceEqual(types)
            ? items
            : throw list.Error($"expected {string.Join(", ", types)}");
    }

    private static void RequireReplace(JsonPart part, string pattern, string content)
    {
        RequireText(part.Required("pattern"), "String", pattern);
        RequireText(part, "content", content);
    }

    private static void RequireText(JsonPart part, string name, string expected)
    {
        JsonPart value = part.Required(name);
        if (value.Text() != expected)
        {
            throw value.Error($"expected \"{expected}\", found {value.Found}");
        }
    }
}
