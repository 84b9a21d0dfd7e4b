using System.Buffers;
using System.Globalization;
using System.Text;

namespace Offload.Engine.Tokenization;

/// <summary>
/// Finds added tokens in a text: leftmost first, of those the longest, none overlapping, as the Aho-Corasick search of the Hugging
/// Face tokenizers library (added_vocabulary.rs, find_matches). Safe for concurrent use.
/// </summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<char, List<(string Text, AddedToken Token)>> _byFirst = [];
    private readonly SearchValues<char> _firsts;

    /// <param name="tokens">In order of precedence where two have the same form.</param>
    /// <param name="form">The form in which a token is looked for.</param>
    public AddedTokenMatcher(IEnumerable<AddedToken> tokens, Func<string, string> form)
    {
        var forms = new HashSet<string>(StringComparer.Ordinal);
        foreach (AddedToken token in tokens)
        {
            string text = form(token.Content);
            if (!_byFirst.TryGetValue(text[0], out List<(string Text, AddedToken Token)>? list))
            {
                _byFirst[text[0]] = list = [];
            }

            if (forms.Add(text))
            {
                list.Add((text, token));
            }
        }

        foreach (List<(string Text, AddedToken Token)> list in _byFirst.Values)
        {
            list.Sort((a, b) => b.Text.Length - a.Text.Length);
        }

        _firsts = SearchValues.Create([.. _byFirst.Keys]);
    }

    /// <summary>Splits <paramref name="text"/>; a segment with no token (null) is plain text, never empty.</summary>
    /// <returns>Null if no token occurs.</returns>
    public List<(Range Range, AddedToken? Token)>? Split(string text)
    {
        List<(Range, AddedToken?)>? segments = null;
        int plainStart = 0;
        int position = 0;
        while (Find(text, position) is var (matchStart, length, token))
        {
            int start = matchStart;
            int stop = start + length;
            position = stop;
            if (token.SingleWord && (EndsWithWord(text.AsSpan(0, start)) || StartsWithWord(text.AsSpan(stop))))
            {
                continue;
            }

            if (token.LeftStrip)
            {
                start = Math.Max(text.AsSpan(0, start).TrimEnd().Length, plainStart);
            }

            if (token.RightStrip)
            {
                ReadOnlySpan<char> rest = text.AsSpan(stop);
                stop += rest.Length - rest.TrimStart().Length;
            }

            segments ??= [];
            if (plainStart < start)
            {
                segments.Add((plainStart..start, null));
            }

            segments.Add((start..stop, token));
            plainStart = stop;
        }

        if (segments is not null && plainStart < text.Length)
        {
            segments.Add((plainStart..text.Length, null));
        }

        return segments;
    }

    private (int Start, int Length, AddedToken Token)? Find(string text, int from)
    {
        while (true)
        {
            int offset = text.AsSpan(from).IndexOfAny(_firsts);
            if (offset < 0)
            {
                return null;
            }

            int start = from + offset;
            foreach ((string content, AddedToken token) in _byFirst[text[start]])
            {
                if (text.AsSpan(start).StartsWith(content, StringComparison.Ordinal))
                {
                    return (start, content.Length, token);
                }
            }

            from = start + 1;
        }
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune last, out _) == OperationStatus.Done && IsWord(last);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune first, out _) == OperationStatus.Done && IsWord(first);

    /// <summary>\w of UTS 18, as Rust's regex crate has it: alphabetic, marks, decimal digits, connectors, joiners.</summary>
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.EnclosingMark or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation => true,
        // The joiners, and the symbols that are alphabetic: circled letters and the squared ones of the supplement.
        _ => rune.Value is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169)
            or (>= 0x1F170 and <= 0x1F189),
    };
}
