using FsCheck.Xunit;
using Offload.Engine.Tokenization;

namespace Offload.Engine.Tests.Tokenization;

public class LineSplitTests
{
    private const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Qwen2 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Qwen35 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Cl100K =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    private const string Gpt4O = @"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly ITokenizer[] Safe = [.. new[] { null, Llama3, Qwen2, Qwen35, Cl100K }.SelectMany(pattern => new[] { Load(pattern, digits: false), Load(pattern, digits: true) })];

    [Property(MaxTest = 500)]
    public void Encode_CutAfterLineBreak_SameIds(int seed)
    {
        string first = RandomText.Create(seed, loneSurrogates: true).TrimEnd() + "\n";
        string second = RandomText.Create(unchecked(seed * 31), loneSurrogates: true).TrimStart();
        if (first.Length == 1 || second.Length == 0)
        {
            return;
        }

        foreach (ITokenizer tokenizer in Safe)
        {
            Assert.True(tokenizer.CanSplitAtLineBreaks);
            int[] cut = [.. tokenizer.Ids(first), .. tokenizer.Ids(second)];
            Assert.Equal(tokenizer.Ids(first + second), cut);
        }
    }

    [Fact]
    public void CanSplitAtLineBreaks_PatternThatGoesOnPastTheBreak_False()
    {
        ITokenizer tokenizer = Load(Gpt4O, digits: false);

        Assert.False(tokenizer.CanSplitAtLineBreaks);
    }

    [Fact]
    public void CanSplitAtLineBreaks_NoSplitAtAll_False()
    {
        using var folder = new TokenizerFolder();
        folder.Root["pre_tokenizer"] = TokenizerFolder.ByteLevel(useRegex: false);

        Assert.False(folder.Load().CanSplitAtLineBreaks);
    }

    [Fact]
    public void CanSplitAtLineBreaks_PrefixSpace_False()
    {
        using var folder = new TokenizerFolder();
        folder.Root["pre_tokenizer"] = TokenizerFolder.ByteLevel(addPrefixSpace: true);

        Assert.False(folder.Load().CanSplitAtLineBreaks);
    }

    [Theory]
    [InlineData("<x>", true)]
    [InlineData("a\nb", false)]
    public void CanSplitAtLineBreaks_AddedTokenOverTheBreak_False(string content, bool lstrip)
    {
        using var folder = new TokenizerFolder();
        folder.Add(content, lstrip: lstrip);

        Assert.False(folder.Load().CanSplitAtLineBreaks);
    }

    private static ITokenizer Load(string? pattern, bool digits)
    {
        using TokenizerFolder folder = ByteLevelTokenizerTests.Rich();
        System.Text.Json.Nodes.JsonObject[] parts =
        [
            .. digits ? [new() { ["type"] = "Digits", ["individual_digits"] = true }] : Array.Empty<System.Text.Json.Nodes.JsonObject>(),
            .. pattern is null ? [] : new[] { TokenizerFolder.Split(pattern) },
            TokenizerFolder.ByteLevel(useRegex: pattern is null),
        ];
        folder.Merge("!", "\u010A").Merge("\u010A", "h").Merge("\u010A", "\u00C3");
        folder.Root["added_tokens"] = new System.Text.Json.Nodes.JsonArray();
        folder.Add("<|im_end|>", special: true, rstrip: true).Add("<x>", normalized: true).Add("hello", singleWord: true);
        folder.Root["pre_tokenizer"] = TokenizerFolder.Sequence("pretokenizers", parts);
        return folder.Load();
    }
}
