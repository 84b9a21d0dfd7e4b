namespace Offload.Engine.Tokenization;

/// <summary>Where a SentencePiece tokenizer puts a space that the text has not.</summary>
internal enum PrefixSpace
{
    /// <summary>Before every stretch of text between added tokens (the older rule, "legacy").</summary>
    EachSegment,

    /// <summary>Before the whole text, unless it begins with a space or an added token.</summary>
    FirstSegment,
}
