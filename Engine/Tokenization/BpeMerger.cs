using Microsoft.ML.Tokenizers;

namespace Offload.Engine.Tokenization;

/// <summary>
/// Byte-pair merges of one piece, best rank first, leftmost first among equals. Short pieces go to Microsoft.ML.Tokenizers; its time
/// grows with the square of the length (2.0.1: a run of a million '=' took minutes), so long ones are merged here, in n log n. Both give
/// the same ids. Safe for concurrent use.
/// </summary>
internal sealed class BpeMerger
{
    private const int MaxLibraryLength = 64;

    private readonly BpeTokenizer _library;
    private readonly Dictionary<char, int> _symbols = [];
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _merges;

    /// <param name="vocabulary">Token to id; a token of one UTF-16 unit is a symbol to start from.</param>
    /// <param name="merges">Pairs, best first, each once; both halves and the whole are in the vocabulary.</param>
    public BpeMerger(Dictionary<string, int> vocabulary, IReadOnlyList<(string Left, string Right)> merges)
    {
        foreach ((string token, int id) in vocabulary)
        {
            if (token.Length == 1)
            {
                _symbols[token[0]] = id;
            }
        }

        _merges = new(merges.Count);
        foreach ((int rank, (string left, string right)) in merges.Index())
        {
            _merges[(vocabulary[left], vocabulary[right])] = (rank, vocabulary[left + right]);
        }

        _library = BpeTokenizer.Create(new BpeOptions(vocabulary) { Merges = merges.Select(merge => $"{merge.Left} {merge.Right}") });
    }

    /// <summary>Appends the ids of a piece whose units are all symbols.</summary>
    public void Merge(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (piece.Length <= MaxLibraryLength)
        {
            ids.AddRange(_library.EncodeToIds(piece, considerPreTokenization: false, considerNormalization: false));
        }
        else
        {
            MergeLong(piece, ids);
        }
    }

    /// <summary>The same at any length (also the reference for the library in tests).</summary>
    internal void MergeLong(ReadOnlySpan<char> piece, List<int> ids)
    {
        // A list linked both ways: [i] stands for the merged symbols from i up to next[i]; merged-away ones are -1.
        int[] symbols = new int[piece.Length];
        int[] next = new int[piece.Length];
        int[] previous = new int[piece.Length];
        for (int i = 0; i < piece.Length; i++)
        {
            symbols[i] = _symbols[piece[i]];
            next[i] = i + 1;
            previous[i] = i - 1;
        }

        var queue = new PriorityQueue<(int Position, int Id), long>(piece.Length);
        for (int i = 0; i + 1 < piece.Length; i++)
        {
            Offer(i);
        }

        while (queue.TryDequeue(out (int Position, int Id) merge, out _))
        {
            int left = merge.Position;
            int right = symbols[left] < 0 ? piece.Length : next[left];
            if (right == piece.Length || !_merges.TryGetValue((symbols[left], symbols[right]), out (int Rank, int Id) current)
                || current.Id != merge.Id)
            {
                continue; // one of the two was merged otherwise meanwhile
            }

            symbols[left] = merge.Id;
            symbols[right] = -1;
            next[left] = next[right];
            if (next[left] < piece.Length)
            {
                previous[next[left]] = left;
                Offer(left);
            }

            if (previous[left] >= 0)
            {
                Offer(previous[left]);
            }
        }

        for (int i = 0; i < piece.Length; i = next[i])
        {
            ids.Add(symbols[i]);
        }

        void Offer(int left)
        {
            if (_merges.TryGetValue((symbols[left], symbols[next[left]]), out (int Rank, int Id) merge))
            {
                queue.Enqueue((left, merge.Id), ((long)merge.Rank << 32) | (uint)left);
            }
        }
    }
}
