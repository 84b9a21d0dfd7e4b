using FsCheck.Xunit;
using Offload.Engine.Tokenization;

namespace Offload.Engine.Tests.Tokenization;

public class ByteLevelTokenizerTests
{
    private const string QwenPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly Lazy<ITokenizer> RichTokenizer = new(() =>
    {
        using TokenizerFolder folder = Rich();
        return folder.Load();
    });

    [Property(MaxTest = 300)]
    public void Decode_OfEncode_IsTheTextNormalised(int seed)
    {
        ITokenizer tokenizer = RichTokenizer.Value;
        string text = RandomText.Create(seed, loneSurrogates: true);

        string expected = CanonicalComposition.Normalize(ByteLevelTokenizer.WellFormed(text));

        Assert.Equal(expected, tokenizer.Decode(tokenizer.Ids(text)));
    }

    [Fact]
    public void Encode_IgnoreMerges_TakesWholePieceFromVocabulary()
    {
        using var folder = new TokenizerFolder();
        folder.Merge("b", "c").Vocabulary["abc"] = 257;
        Assert.Equal([97, 256], folder.Load().Ids("abc"));

        folder.Model["ignore_merges"] = true;

        Assert.Equal([257], folder.Load().Ids("abc"));
        Assert.Equal([97, 256, 100], folder.Load().Ids("abcd"));
    }

    [Fact]
    public void Encode_MergesAsStrings_SameAsPairs()
    {
        using var folder = new TokenizerFolder();
        folder.Merge("a", "b").Merge("ab", "c");
        int[] expected = folder.Load().Ids("abcab");
        folder.Model["merges"] = new System.Text.Json.Nodes.JsonArray("#version: 0.2", "a b", "ab c");

        Assert.Equal([257, 256], expected);
        Assert.Equal(expected, folder.Load().Ids("abcab"));
    }

    [Fact]
    public void Encode_MergeTwice_LaterRankCounts()
    {
        using var folder = new TokenizerFolder();
        folder.Merge("a", "b").Merge("b", "c");
        folder.Model["merges"]!.AsArray().Add("a b");

        Assert.Equal([97, 257, 100], folder.Load().Ids("abcd"));
    }

    [Fact]
    public void Encode_LoneSurrogate_IsReplacementCharacter()
    {
        using var folder = new TokenizerFolder();

        Assert.Equal([0xEF, 0xBF, 0xBD, 'a', 0xEF, 0xBF, 0xBD], folder.Load().Ids("\uD800a\uDC00"));
    }

    [Fact]
    public void Encode_NormalizedAddedToken_MatchesAfterNormalisation()
    {
        using var folder = new TokenizerFolder();
        folder.Root["normalizer"] = new System.Text.Json.Nodes.JsonObject { ["type"] = "NFC" };
        folder.Add("e\u0301x", normalized: true).Add("e\u0301");
        ITokenizer tokenizer = folder.Load();

        Assert.Equal([256], tokenizer.Ids("\u00E9x"));
        Assert.Equal([257, 'x'], tokenizer.Ids("e\u0301x"));
        Assert.Equal([0xC3, 0xA9], tokenizer.Ids("\u00E9"));
    }

    [Theory]
    [InlineData(" <l> a", new[] { 256, 32, 97 })]
    [InlineData("a <r> \n\u00A0b", new[] { 97, 32, 257, 98 })]
    [InlineData("wd xwd wdx _wd wd\u0301 -wd.", new[] { 258, 32, 120, 119, 100, 32, 119, 100, 120, 32, 95, 119, 100, 32, 119, 100, 204, 129, 32, 45, 258, 46 })]
    [InlineData("<l><longer>", new[] { 256, 259 })]
    [InlineData("a<r>    b", new[] { 97, 257, 98 })]
    public void Encode_AddedTokens_AsTheLibrary(string text, int[] expected)
    {
        using var folder = new TokenizerFolder();
        folder.Add("<l>", lstrip: true).Add("<r>", rstrip: true).Add("wd", singleWord: true).Add("<longer>").Add("<long");

        Assert.Equal(expected, folder.Load().Ids(text));
    }

    [Fact]
    public void Encode_PrefixSpace_BeforeEachStretchOfText()
    {
        using var folder = new TokenizerFolder();
        folder.Root["pre_tokenizer"] = TokenizerFolder.ByteLevel(addPrefixSpace: true);
        folder.Add("<x>");
        ITokenizer tokenizer = folder.Load();

        Assert.Equal([32, 97, 256, 32, 98, 256, 32, 99], tokenizer.Ids("a<x>b<x> c"));
        Assert.Empty(tokenizer.Ids(""));
    }

    [Fact]
    public void Decode_IncompleteUtf8_IsReplacementCharacter()
    {
        using var folder = new TokenizerFolder();
        ITokenizer tokenizer = folder.Load();

        Assert.Equal("a\uFFFDb\uFFFD\uFFFD", tokenizer.Decode(['a', 0xE2, 0x82, 'b', 0xFF, 0xC3]));
        Assert.Equal("\u20AC", tokenizer.Decode([0xE2, 0x82, 0xAC]));
    }

    [Fact]
    public void Decode_SkipSpecialTokens_LeavesOnlyThemOut()
    {
        using var folder = new TokenizerFolder();
        folder.Add("<s>", special: true).Add("<t>");
        ITokenizer tokenizer = folder.Load();

        Assert.Equal("<s>a<t>", tokenizer.Decode([256, 97, 257, 9999, -1]));
        Assert.Equal("a<t>", tokenizer.Decode([256, 97, 257], skipSpecialTokens: true));
        Assert.Equal(258, tokenizer.VocabularySize);
    }

    [Fact]
    public void Encode_FromManyThreads_SameIds()
    {
        using TokenizerFolder folder = Rich();
        ITokenizer tokenizer = folder.Load();
        string[] texts = [.. Enumerable.Range(0, 100).Select(seed => RandomText.Create(seed))];
        ITokenizer alone = folder.Load();
        int[][] expected = [.. texts.Select(alone.Ids)];

        Parallel.For(0, 400, i => Assert.Equal(expected[i % 100], tokenizer.Ids(texts[i % 100])));
    }

    [Property(MaxTest = 200)]
    public void Merge_ByLibraryAndByOurs_SameIds(int seed)
    {
        var random = new Random(seed);
        var vocabulary = new Dictionary<string, int> { ["a"] = 0, ["b"] = 1, ["c"] = 2 };
        var merges = new List<(string, string)>();
        while (merges.Count < 12)
        {
            string[] tokens = [.. vocabulary.Keys];
            (string Left, string Right) merge = (tokens[random.Next(tokens.Length)], tokens[random.Next(tokens.Length)]);
            if (!merges.Contains(merge))
            {
                merges.Add(merge);
                vocabulary.TryAdd(merge.Left + merge.Right, vocabulary.Count);
            }
        }

        var merger = new BpeMerger(vocabulary, merges);
        string piece = string.Concat(Enumerable.Range(0, random.Next(1, 65)).Select(_ => "abc"[random.Next(3)]));
        List<int> byLibrary = [];
        List<int> byOurs = [];
        merger.Merge(piece, byLibrary);
        merger.MergeLong(piece, byOurs);

        Assert.Equal(byOurs, byLibrary);
    }

    [Fact]
    public void Encode_MillionEqualCharacters_DoesNotTakeQuadraticTime()
    {
        using var folder = new TokenizerFolder();
        folder.Merge("=", "=").Merge("==", "==");
        ITokenizer tokenizer = folder.Load();

        Assert.Equal(250_000, tokenizer.Ids(new string('=', 1_000_000)).Length);
    }

    internal static TokenizerFolder Rich()
    {
        var folder = new TokenizerFolder();
        folder.Merge("h", "e").Merge("l", "l").Merge("he", "ll").Merge("\u0120", "\u0120").Merge("\u0120", "t").Merge("\u010A", "\u010A").Merge("=", "=");
        folder.Root["normalizer"] = new System.Text.Json.Nodes.JsonObject { ["type"] = "NFC" };
        folder.Root["pre_tokenizer"] = TokenizerFolder.Sequence(
            "pretokenizers", TokenizerFolder.Split(QwenPattern), TokenizerFolder.ByteLevel(useRegex: false));
        return folder.Add("<|im_end|>", special: true).Add("<x>", normalized: true);
    }
}
