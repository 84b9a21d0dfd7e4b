using Offload.Engine.Tokenization;

namespace Offload.Engine.Tests.Tokenization;

internal static class TokenizerExtensions
{
    public static int[] Ids(this ITokenizer tokenizer, string text)
    {
        var ids = new List<int>();
        tokenizer.Encode(text, ids);
        return [.. ids];
    }

    /// <summary>The pieces of a split, one string each.</summary>
    public static string[] Pieces(this SplitRegex regex, string text)
    {
        var ends = new List<int>();
        regex.AppendEnds(text, ends);
        return [.. ends.Select((end, i) => text[(i == 0 ? 0 : ends[i - 1])..end])];
    }
}
