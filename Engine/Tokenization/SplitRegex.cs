using System.Buffers;
using System.Globalization;
using System.Text.RegularExpressions;
using Offload.Storage;

namespace Offload.Engine.Tokenization;

/// <summary>
/// Cuts a text into the matches of a pattern and what lies between them (the behaviour "Isolated"). .NET matches UTF-16 units, the
/// pattern speaks of characters: so every character beyond U+FFFF is first replaced by a stand-in of its own general category that
/// the pattern does not name, which it therefore cannot tell from the original. Safe for concurrent use.
/// </summary>
internal sealed class SplitRegex
{
    // A match of a real pattern takes microseconds; one that backtracks without end must not hang the program.
    private static readonly TimeSpan MatchTimeLimit = TimeSpan.FromSeconds(10);

    private readonly Regex _regex;
    private readonly string _where;
    private readonly char[] _standIns = new char[30];

    /// <param name="pattern">In Oniguruma's syntax.</param>
    /// <param name="where">The file and the path in it, for messages.</param>
    /// <param name="matchTimeLimit">For tests.</param>
    /// <exception cref="FormatException">A part of the pattern is not supported.</exception>
    public SplitRegex(string pattern, string where, TimeSpan? matchTimeLimit = null)
    {
        _where = where;
        SplitPattern translated = SplitPattern.Translate(pattern);
        try
        {
            _regex = new Regex(translated.DotNetPattern, RegexOptions.Compiled | RegexOptions.CultureInvariant, matchTimeLimit ?? MatchTimeLimit);
        }
        catch (ArgumentException error)
        {
            throw new FormatException($"the pattern is not valid: {error.Message}", error);
        }

        ChooseStandIns(translated.ExplicitRanges);
    }

    /// <summary>Appends the ends of the pieces of <paramref name="text"/> in order; the last one is its length.</summary>
    /// <exception cref="UnreadableInputException">A match took longer than the limit.</exception>
    public void AppendEnds(ReadOnlySpan<char> text, List<int> ends)
    {
        if (!text.ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            AppendMatchEnds(text, ends);
            return;
        }

        char[] buffer = ArrayPool<char>.Shared.Rent(text.Length);
        int firstEnd = ends.Count;
        AppendMatchEnds(buffer.AsSpan(0, Replace(text, buffer)), ends);
        ArrayPool<char>.Shared.Return(buffer);

        // The ends count characters; turn them into UTF-16 units.
        int numCharacters = 0;
        int numUnits = 0;
        for (int i = firstEnd; i < ends.Count; i++)
        {
            for (; numCharacters < ends[i]; numCharacters++)
            {
                numUnits += char.IsHighSurrogate(text[numUnits]) ? 2 : 1;
            }

            ends[i] = numUnits;
        }
    }

    private void AppendMatchEnds(ReadOnlySpan<char> text, List<int> ends)
    {
        int previous = 0;
        try
        {
            foreach (ValueMatch match in _regex.EnumerateMatches(text))
            {
                if (match.Index > previous)
                {
                    ends.Add(match.Index);
                }

                previous = match.Index + match.Length;
                if (match.Length > 0)
                {
                    ends.Add(previous);
                }
            }
        }
        catch (RegexMatchTimeoutException error)
        {
            throw new UnreadableInputException(
                _where,
                $"the pattern took longer than {error.MatchTimeout.TotalSeconds:0.###} s for one match in a text of {text.Length} characters",
                "The pattern backtracks too much on this text: use the tokenizer as its model's authors published it.",
                error);
        }

        if (previous < text.Length)
        {
            ends.Add(text.Length);
        }
    }

    private int Replace(ReadOnlySpan<char> text, Span<char> output)
    {
        int length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char unit = text[i];
            output[length++] = char.IsHighSurrogate(unit)
                ? _standIns[(int)CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(unit, text[++i]))]
                : unit;
        }

        return length;
    }

    private void ChooseStandIns(IReadOnlyList<(char First, char Last)> named)
    {
        for (char candidate = '\u00A1'; candidate < '\uFFFF'; candidate++)
        {
            ref char standIn = ref _standIns[(int)CharUnicodeInfo.GetUnicodeCategory(candidate)];
            if (standIn == 0 && !named.Any(range => candidate >= range.First && candidate <= range.Last))
            {
                standIn = candidate;
            }
        }

        for (int category = 0; category < _standIns.Length; category++)
        {
            // No character beyond U+FFFF is a separator, a control or a surrogate.
            bool needed = (UnicodeCategory)category is not (UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Control or UnicodeCategory.Surrogate);
            if (needed && _standIns[category] == 0)
            {
                throw new FormatException($"the pattern names every character of the category {(UnicodeCategory)category}, which is not supported");
            }
        }
    }
}
