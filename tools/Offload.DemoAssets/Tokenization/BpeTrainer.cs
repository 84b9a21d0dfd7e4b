using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Offload.DemoAssets.Tokenization;

/// <summary>
/// Trains a byte-level byte-pair encoding with GPT-2's splits (Sennrich, Haddow, Birch 2016; Radford et al. 2019): the most
/// frequent pair of neighbours inside words becomes a token, again and again. Deterministic: of equally frequent pairs the one
/// with the lower ids wins, which is also the rule of Hugging Face's trainer. Not thread-safe; one object a training.
/// </summary>
internal sealed partial class BpeTrainer
{
    private readonly Dictionary<string, long> _wordCounts = new(StringComparer.Ordinal);

    // Of the words by index: their tokens now and how often they came.
    private readonly List<int[]> _words = [];
    private readonly List<long> _counts = [];
    private readonly Dictionary<(int Left, int Right), long> _pairCounts = [];
    private readonly Dictionary<(int Left, int Right), HashSet<int>> _pairWords = [];

    /// <summary>Counts the words of a text, <paramref name="weight"/> times.</summary>
    public void Add(string text, long weight = 1)
    {
        foreach (ValueMatch match in WordPattern().EnumerateMatches(text))
        {
            string word = text.Substring(match.Index, match.Length);
            CollectionsMarshal.GetValueRefOrAddDefault(_wordCounts, word, out _) += weight;
        }
    }

    /// <summary>Makes a vocabulary of at most <paramref name="vocabularySize"/> tokens; fewer if no pair is left. To be called once.</summary>
    public BpeVocabulary Train(int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, ByteAlphabet.Sorted.Count + 1);
        var tokens = new List<string> { BpeVocabulary.EndOfText };
        tokens.AddRange(ByteAlphabet.Sorted.Select(letter => letter.ToString()));
        Dictionary<string, int> idOfToken = tokens.Select((token, id) => (token, id)).ToDictionary(StringComparer.Ordinal);
        IndexWords(idOfToken);

        var merges = new List<(string Left, string Right)>();
        while (tokens.Count < vocabularySize && FindBestPair() is { } pair)
        {
            string merged = tokens[pair.Left] + tokens[pair.Right];
            merges.Add((tokens[pair.Left], tokens[pair.Right]));

            // Two different pairs can spell the same token: it keeps its first id.
            if (idOfToken.TryAdd(merged, tokens.Count))
            {
                tokens.Add(merged);
            }

            Merge(pair, idOfToken[merged]);
        }

        return new BpeVocabulary(tokens, merges);
    }

    // GPT-2's split into words; a word keeps the space before it.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex WordPattern();

    private void IndexWords(Dictionary<string, int> idOfToken)
    {
        foreach ((string word, long count) in _wordCounts)
        {
            _words.Add([.. ByteAlphabet.Spell(word).Select(letter => idOfToken[letter.ToString()])]);
            _counts.Add(count);
            ChangePairs(_words.Count - 1, sign: 1);
        }
    }

    private (int Left, int Right)? FindBestPair()
    {
        // A scan of all pairs a merge: some ten thousand pairs times two thousand merges, well under a second.
        (int Left, int Right)? best = null;
        long bestCount = 0;
        foreach (((int Left, int Right) pair, long count) in _pairCounts)
        {
            if (count > bestCount || (count == bestCount && best is { } other && pair.CompareTo(other) < 0))
            {
                best = pair;
                bestCount = count;
            }
        }

        return best;
    }

    private void Merge((int Left, int Right) pair, int mergedId)
    {
        foreach (int wordIndex in _pairWords[pair].ToArray())
        {
            ChangePairs(wordIndex, sign: -1);
            int[] word = _words[wordIndex];
            var merged = new List<int>(word.Length);
            for (int index = 0; index < word.Length; index++)
            {
                bool isPair = index + 1 < word.Length && word[index] == pair.Left && word[index + 1] == pair.Right;
                merged.Add(isPair ? mergedId : word[index]);
                index += isPair ? 1 : 0;
            }

            _words[wordIndex] = [.. merged];
            ChangePairs(wordIndex, sign: 1);
        }
    }

    private void ChangePairs(int wordIndex, int sign)
    {
        int[] word = _words[wordIndex];
        for (int index = 0; index + 1 < word.Length; index++)
        {
            (int Left, int Right) pair = (word[index], word[index + 1]);
            CollectionsMarshal.GetValueRefOrAddDefault(_pairCounts, pair, out _) += sign * _counts[wordIndex];
            ref HashSet<int>? words = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairWords, pair, out _);
            words ??= [];
            if (sign > 0)
            {
                words.Add(wordIndex);
            }
            else
            {
                words.Remove(wordIndex);
            }
        }
    }
}
