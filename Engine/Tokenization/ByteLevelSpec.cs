namespace Offload.Engine.Tokenization;

/// <summary>What a tokenizer.json with a byte-level BPE says, checked.</summary>
internal sealed record ByteLevelSpec
{
    /// <summary>Token, written in the byte alphabet, to id.</summary>
    public required Dictionary<string, int> Vocabulary { get; init; }

    /// <summary>Best first, each once.</summary>
    public required IReadOnlyList<(string Left, string Right)> Merges { get; init; }

    public required bool IgnoreMerges { get; init; }

    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }

    public required bool Nfc { get; init; }

    /// <summary>The splits in order; null is "put a space before each piece that begins with none".</summary>
    public required IReadOnlyList<SplitRegex?> Steps { get; init; }

    public required bool CanSplitAtLineBreaks { get; init; }

    public int? BeginOfTextId { get; init; }

    public int? EndOfTextId { get; init; }
}
