using System.Globalization;
using FsCheck.Xunit;
using Offload.Engine.Tokenization;
using Offload.Storage;

namespace Offload.Engine.Tests.Tokenization;

/// <summary>The expected pieces were taken from the Hugging Face library (Oniguruma 6.9).</summary>
public class SplitPatternTests
{
    private static readonly SplitRegex Gpt2 = new(PreTokenizerReader.Gpt2Pattern, "tokenizer.json");

    [Theory]
    [InlineData("(?i:'s|'k)", "a'sb'Sc'\u017Fd'ke'Kf'\u212Ag", new[] { "a", "'s", "b", "'S", "c", "'\u017F", "d", "'k", "e", "'K", "f", "'\u212A", "g" })]
    [InlineData("(?i)'s", "a'S", new[] { "a", "'S" })]
    [InlineData("(?i:[a-z])", "A\u212A\u017F", new[] { "A", "\u212A", "\u017F" })]
    [InlineData("(?i:ss)", "a\u00DFbSSc\u1E9E", new[] { "a\u00DFb", "SS", "c\u1E9E" })]
    [InlineData("a?+b", "aab", new[] { "a", "ab" })]
    [InlineData("a++b|a", "aac", new[] { "a", "a", "c" })]
    [InlineData("a{,2}", "aaaaa", new[] { "aa", "aa", "a" })]
    [InlineData(".", "a\n\r", new[] { "a", "\n", "\r" })]
    [InlineData(@"\d", "1\u0661\u00B2", new[] { "1", "\u0661", "\u00B2" })]
    [InlineData(@"\s", "a\u0085b\u200Bc\u00A0d\u180Ee\u2028f\uFEFFg\u001Ch\u000Bi", new[] { "a", "\u0085", "b\u200Bc", "\u00A0", "d\u180Ee", "\u2028", "f\uFEFFg\u001Ch", "\u000B", "i" })]
    [InlineData(@"\p{L}+", "a\U00010400\U0001D4001\U0001F600", new[] { "a\U00010400\U0001D400", "1\U0001F600" })]
    [InlineData(@"\p{N}", "\U0001D7CEx\U00010107", new[] { "\U0001D7CE", "x", "\U00010107" })]
    [InlineData(@"\p{^L}|\P{^Lu}", "aA1", new[] { "a", "A", "1" })]
    [InlineData("(?<=a)b", "ab", new[] { "a", "b" })]
    [InlineData("(?>a|ab)c", "abc", new[] { "abc" })]
    [InlineData("x*", "aaxb", new[] { "a", "a", "x", "b" })]
    [InlineData(@"[\-\]\\^a]+", "b-]\\^ab", new[] { "b", "-]\\^a", "b" })]
    public void AppendEnds_Pattern_AsOniguruma(string pattern, string text, string[] expected)
    {
        Assert.Equal(expected, new SplitRegex(pattern, "tokenizer.json").Pieces(text));
    }

    [Theory]
    [InlineData("a{2,3}+", "+ after a quantifier")]
    [InlineData("a{2}?", "? after a quantifier")]
    [InlineData("a**", "* after a quantifier")]
    [InlineData("a+?+", "+ after a quantifier")]
    [InlineData("a{2", "{")]
    [InlineData("a{3,2}", "{")]
    [InlineData("^a", "^")]
    [InlineData("a$", "$")]
    [InlineData(@"\bx", @"\b")]
    [InlineData(@"\w", @"\w")]
    [InlineData(@"\h", @"\h")]
    [InlineData(@"(a)\1", @"\1")]
    [InlineData(@"\x41", @"\x")]
    [InlineData(@"\p{Han}", @"\p{Han}")]
    [InlineData(@"\pL", @"\pL")]
    [InlineData(@"(?i:\p{Lu})", "under (?i)")]
    [InlineData("(?i:[^a])", "under (?i)")]
    [InlineData("(?i:\u00E9)", "under (?i)")]
    [InlineData("(?m:a)", "(?m")]
    [InlineData("a(?i)b", "(?i)")]
    [InlineData("(?<n>a)", "(?<n")]
    [InlineData("(a", "is never closed")]
    [InlineData("a)", "closes nothing")]
    [InlineData("[a", "is never closed")]
    [InlineData("[]a]", "] first")]
    [InlineData("[[:alpha:]]", "[ in a class")]
    [InlineData("[a-z&&[^b]]", "& in a class")]
    [InlineData("[a-c-e]", "- in the middle")]
    [InlineData("[z-a]", "backwards")]
    [InlineData(@"[a-\s]", "no character")]
    [InlineData("\U0001F600", "beyond U+FFFF")]
    [InlineData("*a", "*")]
    [InlineData("a\\", "at the end")]
    public void Translate_UnsupportedPart_IsNamed(string pattern, string named)
    {
        FormatException error = Assert.Throws<FormatException>(() => SplitPattern.Translate(pattern));

        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Translate_DeepGroups_Refused()
    {
        Assert.Throws<FormatException>(() => SplitPattern.Translate(new string('(', 10_000)));
    }

    [Fact]
    public void AppendEnds_EndlessBacktracking_IsGivenUp()
    {
        var split = new SplitRegex(@"(?:\p{L}|\p{L}\p{L})+\p{N}", "tokenizer.json: pre_tokenizer", TimeSpan.FromMilliseconds(50));

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => split.Pieces(new string('a', 100)));

        Assert.Equal("tokenizer.json: pre_tokenizer: the pattern took longer than 0.05 s for one match in a text of 100 characters", error.Message);
    }

    [Fact]
    public void AppendEnds_EveryCharacter_IsInItsOwnCategory()
    {
        // A character of the category takes the zeros after it along.
        var letters = new SplitRegex(@"[\p{Lu}\p{Ll}\p{Lt}\p{Lm}\p{Lo}]0", "tokenizer.json");
        var numbers = new SplitRegex(@"[\p{Nd}\p{Nl}\p{No}]00", "tokenizer.json");
        for (int codePoint = 0x80; codePoint < 0x110000; codePoint += codePoint < 0x30000 ? 3 : 1009)
        {
            if (codePoint is >= 0xD800 and < 0xE000)
            {
                continue;
            }

            string character = char.ConvertFromUtf32(codePoint);
            UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(codePoint);
            bool letter = category <= UnicodeCategory.OtherLetter;
            bool number = category is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
            Assert.Equal(letter ? 2 : 1, letters.Pieces($"{character}0-").Length);
            Assert.Equal(number ? 2 : 1, numbers.Pieces($"{character}00-").Length);
        }
    }

    [Property(MaxTest = 200)]
    public void AppendEnds_AnyText_PiecesAreTheText(int seed)
    {
        string text = RandomText.Create(seed);
        string[] pieces = Gpt2.Pieces(text);

        Assert.Equal(text, string.Concat(pieces));
        Assert.DoesNotContain("", pieces);
    }
}
