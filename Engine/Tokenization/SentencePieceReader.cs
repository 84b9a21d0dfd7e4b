using Offload.Storage;

namespace Offload.Engine.Tokenization;

/// <summary>Reads a tokenizer.model, with the added tokens and the prefix rule of the tokenizer.json beside it if there is one.</summary>
internal static class SentencePieceReader
{
    // The pieces' lengths are limited to 16 characters unless their trainer was told otherwise; every cut of each is tried.
    private const int MaxPieceLength = 256;

    /// <summary>True if a tokenizer.json is a SentencePiece BPE written out: what it may add is tokens, the prefix rule and the order of merges.</summary>
    public static bool Restates(JsonPart root) =>
        root.Optional("model") is { } model && model.Optional("type")?.Text() == "BPE" && model.Flag("byte_fallback", whenMissing: false);

    /// <exception cref="UnreadableInputException">A part is malformed or not supported.</exception>
    public static SentencePieceBpeTokenizer Read(string file, JsonPart? json, TokenizerConfig config)
    {
        SentencePieceModel model = SentencePieceModel.Load(file);
        RequireSupported(file, model);
        var ids = model.Pieces.Index().ToDictionary(piece => piece.Item.Text, piece => piece.Index, StringComparer.Ordinal);
        List<(string Left, string Right)>? merges = json is null ? null : SentencePieceJson.ReadMerges(json.Value, ids);
        List<AddedToken> added = json is null ? KindTokens(model) : JsonTokens(json.Value, ids);
        int? IdOf(string text) => added.Find(token => token.Content == text)?.Id ?? (ids.TryGetValue(text, out int id) ? id : null);

        PrefixSpace prefix = json is null
            ? (config.Legacy ?? true ? PrefixSpace.EachSegment : PrefixSpace.FirstSegment)
            : SentencePieceJson.ReadPrefix(json.Value);
        (int? begin, int? end) = PostProcessorReader.Read(json?.Optional("post_processor"), IdOf);
        // Llama and Mistral put <s> before a text unless told otherwise; without a tokenizer.json that is the only word on it.
        begin ??= json is null && config.AddBeginToken is null ? IdOf(config.BeginToken ?? "<s>") : null;
        return new SentencePieceBpeTokenizer(
            model,
            merges,
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
            _ when model.Pieces.Exists(piece => piece.Text.Length > MaxPieceLength) => $"a piece has more than {MaxPieceLength} UTF-16 units",
            _ when NumPrivateUnits(model) > SentencePieceBpeTokenizer.MaxPrivateUnits =>
                $"more than {SentencePieceBpeTokenizer.MaxPrivateUnits} characters are beyond U+FFFF or of the private use area",
            _ when model.Pieces.DistinctBy(piece => piece.Text).Count() != model.Pieces.Count => "a piece occurs twice",
            _ => null,
        };
        if (problem is not null)
        {
            throw new UnreadableInputException(file, $"this SentencePiece model is not supported: {problem}", "Models like Llama 2's and Mistral's can be used.");
        }
    }

    private static int NumPrivateUnits(SentencePieceModel model) => model.Pieces
        .SelectMany(piece => piece.Text.EnumerateRunes())
        .Where(rune => !rune.IsBmp || rune.Value is >= SentencePieceBpeTokenizer.FirstPrivateUnit and < SentencePieceBpeTokenizer.FirstPrivateUnit + SentencePieceBpeTokenizer.MaxPrivateUnits)
        .Distinct()
        .Count();

    private static List<AddedToken> KindTokens(SentencePieceModel model) =>
    [
        .. model.Pieces.Index()
            .Where(piece => piece.Item.Kind is SentencePieceModel.UnknownKind or SentencePieceModel.ControlKind or SentencePieceModel.UserDefinedKind)
            .Select(piece => new AddedToken(piece.Index, piece.Item.Text) { Special = piece.Item.Kind != SentencePieceModel.UserDefinedKind }),
    ];

    private static List<AddedToken> JsonTokens(JsonPart json, Dictionary<string, int> ids)
    {
        var added = new List<AddedToken>();
        int largest = -1;
        foreach (JsonPart item in json.Optional("added_tokens")?.Items() ?? [])
        {
            JsonPart id = item.Required("id");
            AddedToken token = AddedToken.Read(item, id.Integer());
            int expected = ids.TryGetValue(token.Content, out int known) ? known : Math.Max(ids.Count, largest + 1);
            if (token.Id != expected)
            {
                throw id.Error($"'{token.Content}' has the id {token.Id}, expected {expected} by tokenizer.model");
            }

            largest = Math.Max(largest, token.Id);

            // Looked for in the normalised text, which has another prefix and no spaces: only the same as in the text if that has neither.
            added.Add(token.Normalized && token.Content.AsSpan().ContainsAny(' ', '\u2581')
                ? throw item.Error("a normalized token with a space is not supported")
                : token with { Normalized = false });
        }

        return added;
    }
}
