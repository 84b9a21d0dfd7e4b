namespace Offload.Engine.Tokenization;

/// <summary>Text to token ids and back, exactly as the model's own tokenizer does it. Safe for concurrent use.</summary>
public interface ITokenizer
{
    /// <summary>One more than the largest id that <see cref="Encode"/> can return.</summary>
    int VocabularySize { get; }

    /// <summary>The id that begins a text, where the model's tokenizer adds one by itself; else null.</summary>
    int? BeginOfTextId { get; }

    /// <summary>The id that ends a text, by the tokenizer's configuration; null if it names none.</summary>
    int? EndOfTextId { get; }

    /// <summary>
    /// True if a text cut between a line break and a following non-space character, where the line break itself follows a
    /// non-space character, encodes to the same ids in two calls as in one. Long files are then streamed in bounded memory.
    /// </summary>
    bool CanSplitAtLineBreaks { get; }

    /// <summary>Appends the ids of <paramref name="text"/> to <paramref name="ids"/>; no begin or end of text is added.</summary>
    /// <param name="text">Any text; added tokens in it ("&lt;|im_end|&gt;") are recognised.</param>
    /// <param name="ids">Receives the ids.</param>
    void Encode(string text, List<int> ids);

    /// <summary>The text of <paramref name="ids"/>; incomplete UTF-8 becomes U+FFFD.</summary>
    /// <param name="ids">Ids below <see cref="VocabularySize"/>; others are skipped.</param>
    /// <param name="skipSpecialTokens">Leaves special tokens out of the text.</param>
    string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = false);
}
