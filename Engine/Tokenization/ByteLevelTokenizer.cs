using System.Text;

namespace Offload.Engine.Tokenization;

/// <summary>
/// Byte-level BPE as a tokenizer.json describes it: added tokens, normalisation, added tokens that match normalised text, splits,
/// merges. The order is that of the Hugging Face tokenizers library, with which the ids agree exactly.
/// </summary>
internal sealed class ByteLevelTokenizer : ITokenizer
{
    private readonly ByteLevelSpec _spec;
    private readonly BytePieceEncoder _pieces;
    private readonly AddedTokenMatcher? _rawMatcher;
    private readonly AddedTokenMatcher? _normalizedMatcher;
    private readonly Dictionary<int, byte[]> _bytesOfId = [];
    private readonly HashSet<int> _special;

    public ByteLevelTokenizer(ByteLevelSpec spec)
    {
        _spec = spec;
        _pieces = new BytePieceEncoder(spec.Vocabulary, spec.Merges, spec.IgnoreMerges);

        AddedToken[] byPrecedence = [.. spec.AddedTokens.Where(token => token.Special), .. spec.AddedTokens.Where(token => !token.Special)];
        AddedToken[] raw = Array.FindAll(byPrecedence, token => !token.Normalized);
        AddedToken[] normalized = Array.FindAll(byPrecedence, token => token.Normalized);
        _rawMatcher = raw.Length == 0 ? null : new AddedTokenMatcher(raw, content => content);
        _normalizedMatcher = normalized.Length == 0 ? null : new AddedTokenMatcher(normalized, Normalize);

        foreach ((string token, int id) in spec.Vocabulary)
        {
            _bytesOfId[id] = ByteAlphabet.Read(token);
        }

        foreach (AddedToken token in spec.AddedTokens)
        {
            // The library decodes an added token in the form it is looked for, and by the byte alphabet too: its text comes back as it
            // is, but for one made of nothing but that alphabet and with letters from U+00A1 to U+0143 in it.
            _bytesOfId[token.Id] = ByteAlphabet.Read(token.Normalized ? Normalize(token.Content) : token.Content);
        }

        _special = [.. spec.AddedTokens.Where(token => token.Special).Select(token => token.Id)];
        VocabularySize = _bytesOfId.Keys.Max() + 1;
    }

    public int VocabularySize { get; }

    public int? BeginOfTextId => _spec.BeginOfTextId;

    public int? EndOfTextId => _spec.EndOfTextId;

    public bool CanSplitAtLineBreaks => _spec.CanSplitAtLineBreaks;

    public void Encode(string text, List<int> ids)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(ids);
        List<int>[] scratch = [.. _spec.Steps.Select(_ => new List<int>())];
        text = WellFormed(text);
        foreach ((Range range, AddedToken? token) in _rawMatcher?.Split(text) ?? Whole(text))
        {
            if (token is not null)
            {
                ids.Add(token.Id);
                continue;
            }

            string normalized = Normalize(text[range]);
            foreach ((Range inner, AddedToken? innerToken) in _normalizedMatcher?.Split(normalized) ?? Whole(normalized))
            {
                if (innerToken is not null)
                {
                    ids.Add(innerToken.Id);
                }
                else
                {
                    EncodePiece(normalized.AsSpan(inner), 0, scratch, ids);
                }
            }
        }
    }

    public string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var bytes = new List<byte>(ids.Count * 4);
        foreach (int id in ids)
        {
            if (_bytesOfId.TryGetValue(id, out byte[]? token) && !(skipSpecialTokens && _special.Contains(id)))
            {
                bytes.AddRange(token);
            }
        }

        return Encoding.UTF8.GetString(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes));
    }

    /// <summary>Replaces each lone surrogate by U+FFFD.</summary>
    internal static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return text;
        }

        char[]? mended = null;
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                mended ??= text.ToCharArray();
                mended[i] = '\uFFFD';
            }
        }

        return mended is null ? text : new string(mended);
    }

    private static List<(Range Range, AddedToken? Token)> Whole(string text) => text.Length == 0 ? [] : [(Range.All, null)];

    private string Normalize(string text) => _spec.Nfc ? CanonicalComposition.Normalize(text) : text;

    private void EncodePiece(ReadOnlySpan<char> piece, int step, List<int>[] scratch, List<int> ids)
    {
        if (step == _spec.Steps.Count)
        {
            _pieces.Encode(piece, ids);
        }
        else if (_spec.Steps[step] is { } split)
        {
            List<int> ends = scratch[step];
            ends.Clear();
            split.AppendEnds(piece, ends);
            int start = 0;
            foreach (int end in ends)
            {
                EncodePiece(piece[start..end], step + 1, scratch, ids);
                start = end;
            }
        }
        else
        {
            // The step of ByteLevel's add_prefix_space.
            EncodePiece(piece[0] == ' ' ? piece : $" {piece}", step + 1, scratch, ids);
        }
    }
}
