namespace Offload.DemoAssets.Tokenization;

/// <summary>A trained byte-pair vocabulary. Immutable.</summary>
/// <param name="Tokens">The tokens by id: the special token, the 256 bytes, then what the merges made.</param>
/// <param name="Merges">The merges in the order they are applied.</param>
internal sealed record BpeVocabulary(IReadOnlyList<string> Tokens, IReadOnlyList<(string Left, string Right)> Merges)
{
    /// <summary>The one special token, id 0: the end of a text.</summary>
    public const string EndOfText = "<|endoftext|>";
}
