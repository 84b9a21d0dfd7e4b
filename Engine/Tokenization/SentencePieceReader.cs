using Offload.Storage;

namespace Offload.Engine.Tokenization;

/// <summary>Reads a tokenizer.model, with the added tokens and the prefix rule of the tokenizer.json beside it if there is one.</summary>
internal static class SentencePieceReader
{
    /// <summary>True if a tokenizer.json is a SentencePiece BPE written out: it then adds nothing but tokens and the prefix rule.</summary>
    public static bool Restates(JsonPart root) =>
        root.Optional("model") is { } model && model.Optional("type")?.Text() == "BPE" && model.Flag("byte_fallback", whenMissing: false);

    /// <exception cref="UnreadableInputException">A part is malformed or not supported.</exception>
    public static SentencePieceBpeTokenizer Read(string file, JsonPart? json, TokenizerConfig config)
    {
        SentencePieceModel model = SentencePieceModel.Load(file);
        RequireSupported(file, model);
        List<AddedToken> added = json is null ? KindTokens(model) : JsonTokens(json.Value, model);
        int? IdOf(string text)
        {
            int id = model.Pieces.FindIndex(piece => piece.Text == text);
            return added.Find(token => token.Content == text)?.Id ?? (id < 0 ? null : id);
        }

        PrefixSpace prefix = json is null
            ? (config.Legacy ?? true ? PrefixSpace.EachSegment : PrefixSpace.FirstSegment)
            : ReadPrefix(json.Value);
        (int? begin, int? end) = PostProcessorReader.Read(json?.Optional("post_processor"), IdOf);
        // Llama and Mistral put <s> before a text unless told otherwise; without a tokenizer.json that is the only word on it.
        begin ??= json is null && config.AddBeginToken is null ? IdOf(config.BeginToken ?? "<s>") : null;
        return new SentencePieceBpeTokenizer(
            model,
            added,
            prefix,
            config.BeginOfTextId(begin, IdOf),
            config.EndOfTextId(end, IdOf) ?? (json is null ? IdOf("</s>") : null));
    }

    private static void RequireSupported(string file, SentencePieceModel model)
    {
        string? problem = model switch
        {
            { IsBpe: false } => "its kind is not BPE",
            { HasCharacterMap: true } => "it has a character map (precompiled_charsmap)",
            { RemovesExtraWhitespace: true } => "it removes extra white space (remove_extra_whitespaces)",
            { EscapesWhitespace: false } => "it keeps spaces as they are (escape_whitespaces)",
            { AddsDummyPrefix: false } => "it adds no prefix space (add_dummy_prefix)",
            _ when model.Pieces.Count(piece => piece.Kind == SentencePieceModel.ByteKind) != 256 => "it has not one piece for each byte (byte_fallback)",
            _ when model.Pieces.Count(piece => piece.Kind == SentencePieceModel.UnknownKind) != 1 => "it has not one unknown piece",
            _ when model.Pieces.Exists(piece => piece.Text.Length == 0 || piece.Text.Contains(' ')) => "it has an empty piece or one with a plain space",
            _ when model.Pieces.DistinctBy(piece => piece.Text).Count() != model.Pieces.Count => "a piece occurs twice",
            _ => null,
        };
        if (problem is not null)
        {
            throw new UnreadableInputException(file, $"this SentencePiece model is not supported: {problem}", "Models like Llama 2's and Mistral's can be used.");
        }
    }

    private static List<AddedToken> KindTokens(SentencePieceModel model) =>
    [
        .. model.Pieces.Index()
            .Where(piece => piece.Item.Kind is SentencePieceModel.UnknownKind or SentencePieceModel.ControlKind or SentencePieceModel.UserDefinedKind)
            .Select(piece => new AddedToken(piece.Index, piece.Item.Text) { Special = piece.Item.Kind != SentencePieceModel.UserDefinedKind }),
    ];

    private static List<AddedToken> JsonTokens(JsonPart json, SentencePieceModel model)
    {
        var added = new List<AddedToken>();
        foreach (JsonPart item in json.Optional("added_tokens")?.Items() ?? [])
        {
            JsonPart id = item.Required("id");
            AddedToken token = AddedToken.Read(item, id.Integer());
            int known = model.Pieces.FindIndex(piece => piece.Text == token.Content);
            int expected = known >= 0 ? known : Math.Max(model.Pieces.Count, added.Count == 0 ? 0 : added.Max(other => other.Id) + 1);
            if (token.Id != expected)
            {
                throw id.Error($"'{token.Content}' has the id {token.Id}, expected {expected} by tokenizer.model");
            }

            // Looked for in the normalised text, which has another prefix and no spaces: only the same as in the text if that has neither.
            added.Add(token.Normalized && token.Content.AsSpan().ContainsAny(' ', '\u2581')
                ? throw item.Error("a normalized token with a space is not supported")
                : token with { Normalized = false });
        }

        return added;
    }

    private static PrefixSpace ReadPrefix(JsonPart json)
    {
        JsonPart? normalizer = json.Optional("normalizer");
        JsonPart? preTokenizer = json.Optional("pre_tokenizer");
        if (preTokenizer is { } metaspace)
        {
            ByteLevelReader.RequireType(metaspace, "Metaspace");
            JsonPart scheme = metaspace.Required("prepend_scheme");
            return normalizer is null && scheme.Text() == "first" && !metaspace.Flag("split", whenMissing: true)
                ? PrefixSpace.FirstSegment
                : throw metaspace.Error("only a Metaspace with prepend_scheme 'first', no split, and no normalizer is supported");
        }

        if (normalizer is not { } sequence)
        {
            throw json.Error("neither a normalizer nor a pre_tokenizer says where the prefix space goes");
        }

        ByteLevelReader.RequireType(sequence, "Sequence");
        JsonPart[] items = [.. sequence.Required("normalizers").Items()];
        if (items.Length != 2 || items[0].Text("type") != "Prepend" || items[1].Text("type") != "Replace")
        {
            throw sequence.Required("normalizers").Error("expected Prepend, Replace");
        }

        return PrefixSpace.EachSegment;
    }
}
