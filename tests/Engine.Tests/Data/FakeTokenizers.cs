using System.Text;
using Offload.Engine.Tokenization;

namespace Offload.Engine.Tests.Data;

/// <summary>Bytes as ids.</summary>
internal sealed class ByteTokenizer(int? beginOfText = null, int? endOfText = null, bool canSplit = true) : ITokenizer
{
    public int VocabularySize => 258;

    public int? BeginOfTextId => beginOfText;

    public int? EndOfTextId => endOfText;

    public bool CanSplitAtLineBreaks => canSplit;

    public int NumCalls { get; private set; }

    public void Encode(string text, List<int> ids)
    {
        NumCalls++;
        foreach (byte value in Encoding.UTF8.GetBytes(text))
        {
            ids.Add(value);
        }
    }

    public string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = false) => Encoding.UTF8.GetString([.. ids.Where(id => id < 256).Select(id => (byte)id)]);
}

/// <summary>
/// Runs of space and of non-space as GPT-2's split makes them ("\s+(?!\S)|\s+" lets a run's last space go alone before a word), so that
/// a cut in a wrong place shows in the ids.
/// </summary>
internal sealed class WordTokenizer(bool canSplit = true) : ITokenizer
{
    public int VocabularySize => 65536;

    public int? BeginOfTextId => null;

    public int? EndOfTextId => 0;

    public bool CanSplitAtLineBreaks => canSplit;

    public void Encode(string text, List<int> ids)
    {
        int start = 0;
        while (start < text.Length)
        {
            bool isSpace = char.IsWhiteSpace(text[start]);
            int end = start + 1;
            while (end < text.Length && char.IsWhiteSpace(text[end]) == isSpace)
            {
                end++;
            }

            if (isSpace && end < text.Length && end - start > 1)
            {
                end--;
            }

            uint hash = 2166136261;
            foreach (char value in text.AsSpan(start, end - start))
            {
                hash = (hash ^ value) * 16777619;
            }

            ids.Add((int)(hash & 0xFFFF));
            start = end;
        }
    }

    public string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = false) => throw new NotSupportedException();
}
