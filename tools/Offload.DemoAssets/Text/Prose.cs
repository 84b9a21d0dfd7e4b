using System.Text.RegularExpressions;

namespace Offload.DemoAssets.Text;

/// <summary>Turns what a grammar gave into clean prose: capitals, articles, paragraphs. Pure functions.</summary>
internal static partial class Prose
{
    /// <summary>Stands before the first letter of a sentence; <see cref="Finish"/> takes it away.</summary>
    public const char SentenceMark = '^';

    /// <summary>Takes the sentence marks away and leaves the letters as they are.</summary>
    public static string Unmark(string text) => text.Replace(SentenceMark.ToString(), "", StringComparison.Ordinal);

    /// <summary>
    /// Writes capitals at the starts of sentences and of direct speech, makes <c>~</c> a break between paragraphs, and leaves one
    /// space between words.
    /// </summary>
    public static string Finish(string text)
    {
        string spaced = Break().Replace(Spaces().Replace(text, " "), "\n\n");
        string capitals = SentenceStart().Replace(spaced, match => match.Value.ToUpperInvariant());
        return Unmark(capitals).Trim();
    }

    /// <summary>Writes "an" before a vowel. For stories: their words have no "unit" or "hour".</summary>
    public static string FixArticles(string text) => ArticleBeforeVowel().Replace(text, "$1n$2");

    [GeneratedRegex(" {2,}")]
    private static partial Regex Spaces();

    [GeneratedRegex(@"\s*~\s*")]
    private static partial Regex Break();

    // The start of the text, a mark, the end of a sentence, a full stop inside closing quotes, or opening quotes.
    [GeneratedRegex("""(?:^|\^|[.?!]\^? |\."\^? |(?<=^|[\s^])"\^?)[\^"]*[a-z]""")]
    private static partial Regex SentenceStart();

    [GeneratedRegex(@"\b([Aa])( (?:[aeio]|u[mn]))")]
    private static partial Regex ArticleBeforeVowel();
}
