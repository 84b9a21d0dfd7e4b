using System.Globalization;
using System.Text;

namespace Offload.Engine.Tokenization;

/// <summary>
/// SentencePiece BPE with byte fallback (Llama 2, Mistral), by the merges of the tokenizer.json that goes with it or, without one, those that
/// transformers would make from the scores (LlamaConverter).
/// </summary>
internal sealed class SentencePieceBpeTokenizer : ITokenizer
{
    /// <summary>The private use area lends units to the characters beyond U+FFFF.</summary>
    public const char FirstPrivateUnit = '\uE000';
    public const int MaxPrivateUnits = 6400;

    private const char Space = '\u2581';

    private readonly BpeMerger _merger;
    private readonly PrefixSpace _prefix;
    private readonly AddedTokenMatcher? _matcher;

    /// <summary>Each character that is a piece, as one UTF-16 unit: beyond U+FFFF a private one, since units are merged.</summary>
    private readonly Dictionary<Rune, char> _units = [];
    private readonly int[] _byteIds = new int[256];
    private readonly Dictionary<int, (string Text, byte? Byte)> _tokens = [];
    private readonly HashSet<int> _special;

    /// <param name="model">Its pieces have at most <see cref="MaxPrivateUnits"/> characters beyond U+FFFF or of the private use area.</param>
    /// <param name="merges">Best first; null to make them from the scores.</param>
    /// <param name="added">Tokens to look for first.</param>
    /// <param name="prefix">Where a space is put.</param>
    /// <param name="begin">The id that begins a text.</param>
    /// <param name="end">The id that ends one.</param>
    public SentencePieceBpeTokenizer(
        SentencePieceModel model, List<(string Left, string Right)>? merges, IReadOnlyList<AddedToken> added, PrefixSpace prefix, int? begin, int? end)
    {
        _prefix = prefix;
        _matcher = added.Count == 0 ? null : new AddedTokenMatcher(added, content => content);
        foreach ((int id, (string text, _, int kind)) in model.Pieces.Index())
        {
            byte? value = kind == SentencePieceModel.ByteKind
                ? byte.Parse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
                : null;
            _tokens[id] = (text, value);
            if (value is not null)
            {
                _byteIds[value.Value] = id;
            }
        }

        _merger = CreateMerger(model, merges);
        foreach (AddedToken token in added)
        {
            _tokens[token.Id] = (token.Content, null);
        }

        _special = [.. added.Where(token => token.Special).Select(token => token.Id)];
        VocabularySize = _tokens.Keys.Max() + 1;
        BeginOfTextId = begin;
        EndOfTextId = end;
    }

    public int VocabularySize { get; }

    public int? BeginOfTextId { get; }

    public int? EndOfTextId { get; }

    /// <summary>False: a text begins with a prefix space, and merges may cross line breaks.</summary>
    public bool CanSplitAtLineBreaks => false;

    public void Encode(string text, List<int> ids)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(ids);
        text = ByteLevelTokenizer.WellFormed(text);
        foreach ((Range range, AddedToken? token) in _matcher?.Split(text) ?? [(Range.All, null)])
        {
            if (token is not null)
            {
                ids.Add(token.Id);
            }
            else if (text.AsSpan(range) is { IsEmpty: false } segment)
            {
                bool prefix = _prefix == PrefixSpace.EachSegment || (range.Start.Value == 0 && segment[0] is not (' ' or Space));
                EncodeSegment(segment, prefix, ids);
            }
        }
    }

    public string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var text = new StringBuilder();
        var bytes = new List<byte>();
        foreach (int id in ids)
        {
            if (!_tokens.TryGetValue(id, out (string Text, byte? Byte) token) || (skipSpecialTokens && _special.Contains(id)))
            {
                continue;
            }

            if (token.Byte is { } value)
            {
                bytes.Add(value);
                continue;
            }

            AppendBytes(bytes, text);
            text.Append(token.Text).Replace(Space, ' ', text.Length - token.Text.Length, token.Text.Length);
        }

        AppendBytes(bytes, text);
        return text.Length > 0 && text[0] == ' ' ? text.ToString(1, text.Length - 1) : text.ToString();
    }

    /// <summary>A run of byte pieces is text if it is UTF-8 as a whole, else one U+FFFD a byte (the library's ByteFallback decoder).</summary>
    private static void AppendBytes(List<byte> bytes, StringBuilder text)
    {
        byte[] run = [.. bytes];
        bytes.Clear();
        _ = System.Text.Unicode.Utf8.IsValid(run) ? text.Append(Encoding.UTF8.GetString(run)) : text.Append('\uFFFD', run.Length);
    }

    private void EncodeSegment(ReadOnlySpan<char> segment, bool prefix, List<int> ids)
    {
        // Stretches of known characters are merged; nothing merges with the bytes that stand for the others.
        var known = new StringBuilder(segment.Length + 1);
        Span<byte> utf8 = stackalloc byte[4];
        if (prefix)
        {
            Add(new Rune(Space), utf8);
        }

        foreach (Rune rune in segment.EnumerateRunes())
        {
            Add(rune.Value == ' ' ? new Rune(Space) : rune, utf8);
        }

        Flush();

        void Add(Rune rune, Span<byte> buffer)
        {
            if (_units.TryGetValue(rune, out char unit))
            {
                known.Append(unit);
                return;
            }

            Flush();
            foreach (byte value in buffer[..rune.EncodeToUtf8(buffer)])
            {
                ids.Add(_byteIds[value]);
            }
        }

        void Flush()
        {
            if (known.Length > 0)
            {
                _merger.Merge(known.ToString(), ids);
                known.Clear();
            }
        }
    }

    private BpeMerger CreateMerger(SentencePieceModel model, List<(string Left, string Right)>? given)
    {
        var used = new HashSet<char>(model.Pieces.SelectMany(piece => piece.Text));
        char next = FirstPrivateUnit;
        string Units(string text) => string.Concat(text.EnumerateRunes().Select(rune =>
        {
            if (rune.IsBmp)
            {
                return (char)rune.Value;
            }

            if (!_units.TryGetValue(rune, out char unit))
            {
                while (!used.Add(next))
                {
                    next++;
                }

                unit = next;
                _units[rune] = unit;
            }

            return unit;
        }));

        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var scores = new Dictionary<string, float>(StringComparer.Ordinal);
        foreach ((int id, (string text, float score, _)) in model.Pieces.Index())
        {
            string units = Units(text);
            ids[units] = id;
            scores[units] = score;
        }

        (string, string)[] merges = given is not null
            ? [.. given.Select(merge => (Units(merge.Left), Units(merge.Right)))]
            : MergesByScore(ids, scores);

        // Only a character that is a piece itself is known.
        foreach (Rune astral in _units.Keys.Where(rune => !ids.ContainsKey(_units[rune].ToString())).ToArray())
        {
            _units.Remove(astral);
        }

        foreach (Rune rune in model.Pieces.Select(piece => piece.Text).Where(text => text.Length == 1).Select(text => new Rune(text[0])))
        {
            _units[rune] = (char)rune.Value;
        }

        return new BpeMerger(ids, merges);
    }

    private static (string, string)[] MergesByScore(Dictionary<string, int> ids, Dictionary<string, float> scores) =>
    [
        .. scores
            .SelectMany(piece => Enumerable.Range(1, Math.Max(0, piece.Key.Length - 1))
                .Select(cut => (Left: piece.Key[..cut], Right: piece.Key[cut..], Score: piece.Value))
                .Where(merge => ids.ContainsKey(merge.Left) && ids.ContainsKey(merge.Right))
                .OrderBy(merge => ids[merge.Left]).ThenBy(merge => ids[merge.Right]))
            .OrderByDescending(merge => merge.Score).ThenByDescending(merge => merge.Left.Length).ThenByDescending(merge => merge.Right.Length)
            .Select(merge => (merge.Left, merge.Right)),
    ];
}
