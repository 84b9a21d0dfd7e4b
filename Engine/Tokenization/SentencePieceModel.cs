using System.Buffers.Binary;
using System.Text;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Engine.Tokenization;

/// <summary>
/// The parts of a tokenizer.model (sentencepiece_model.proto) that decide how a BPE tokenises: the pieces with their scores and kinds,
/// and how text is normalised. Our own reader because Microsoft.ML.Tokenizers shows none of it, and its own SentencePiece BPE (2.0.1)
/// merges the rightmost of equal pairs first where SentencePiece merges the leftmost, so that runs of spaces come out differently.
/// </summary>
internal sealed class SentencePieceModel
{
    public const int UnknownKind = 2;
    public const int ControlKind = 3;
    public const int UserDefinedKind = 4;
    public const int ByteKind = 6;

    private const int ModelKindBpe = 2;

    // The largest have a few MB.
    private const int MaxFileBytes = 64 << 20;

    private readonly string _file;

    private SentencePieceModel(string file, byte[] bytes)
    {
        _file = file;
        Bytes = bytes;
    }

    /// <summary>The whole file.</summary>
    public byte[] Bytes { get; }

    /// <summary>Piece, score (higher merges first) and kind by id.</summary>
    public List<(string Text, float Score, int Kind)> Pieces { get; } = [];

    public bool IsBpe { get; private set; }

    public bool AddsDummyPrefix { get; private set; } = true;

    public bool RemovesExtraWhitespace { get; private set; } = true;

    public bool EscapesWhitespace { get; private set; } = true;

    public bool HasCharacterMap { get; private set; }

    /// <exception cref="UnreadableInputException">The file cannot be read or is no such model.</exception>
    public static SentencePieceModel Load(string file)
    {
        byte[] bytes = InputFile.ReadAll(file, MaxFileBytes);
        var model = new SentencePieceModel(file, bytes);
        foreach ((int field, _, ReadOnlyMemory<byte> content) in model.Fields(bytes))
        {
            switch (field)
            {
                case 1:
                    model.ReadPiece(content);
                    break;
                case 2:
                    model.IsBpe = model.Number(content, 3, whenMissing: 1) == ModelKindBpe;
                    break;
                case 3:
                    model.ReadNormalizer(content);
                    break;
            }
        }

        return model.Pieces.Count > 0 ? model : throw model.Malformed();
    }

    private void ReadPiece(ReadOnlyMemory<byte> content)
    {
        string text = "";
        float score = 0;
        foreach ((int field, _, ReadOnlyMemory<byte> value) in Fields(content))
        {
            text = field == 1 ? Encoding.UTF8.GetString(value.Span) : text;
            score = field == 2 && value.Length == 4 ? BinaryPrimitives.ReadSingleLittleEndian(value.Span) : score;
        }

        int kind = (int)Number(content, 3, whenMissing: 1);
        bool isByte = text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>'
            && char.IsAsciiHexDigit(text[3]) && char.IsAsciiHexDigit(text[4]);
        Pieces.Add(kind != ByteKind || isByte ? (text, score, kind) : throw Malformed());
    }

    private void ReadNormalizer(ReadOnlyMemory<byte> content)
    {
        foreach ((int field, _, ReadOnlyMemory<byte> value) in Fields(content))
        {
            HasCharacterMap |= field == 2 && value.Length > 0;
        }

        AddsDummyPrefix = Number(content, 3, whenMissing: 1) != 0;
        RemovesExtraWhitespace = Number(content, 4, whenMissing: 1) != 0;
        EscapesWhitespace = Number(content, 5, whenMissing: 1) != 0;
    }

    private ulong Number(ReadOnlyMemory<byte> message, int wanted, ulong whenMissing)
    {
        ulong result = whenMissing;
        foreach ((int field, ulong number, _) in Fields(message))
        {
            result = field == wanted ? number : result;
        }

        return result;
    }

    /// <summary>The fields of a protobuf message.</summary>
    private IEnumerable<(int Field, ulong Number, ReadOnlyMemory<byte> Content)> Fields(ReadOnlyMemory<byte> message)
    {
        int position = 0;
        while (position < message.Length)
        {
            ulong tag = Varint(message, ref position);
            ulong number = 0;
            ReadOnlyMemory<byte> content = default;
            switch (tag & 7)
            {
                case 0:
                    number = Varint(message, ref position);
                    break;
                case 1:
                    content = Slice(message, ref position, 8);
                    break;
                case 2:
                    ulong length = Varint(message, ref position);
                    content = Slice(message, ref position, length);
                    break;
                case 5:
                    content = Slice(message, ref position, 4);
                    break;
                default:
                    throw Malformed();
            }

            yield return ((int)(tag >> 3), number, content);
        }
    }

    private ReadOnlyMemory<byte> Slice(ReadOnlyMemory<byte> message, ref int position, ulong length)
    {
        if (length > (ulong)(message.Length - position))
        {
            throw Malformed();
        }

        position += (int)length;
        return message.Slice(position - (int)length, (int)length);
    }

    private ulong Varint(ReadOnlyMemory<byte> message, ref int position)
    {
        ulong value = 0;
        for (int shift = 0; shift < 64 && position < message.Length; shift += 7)
        {
            byte next = message.Span[position++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw Malformed();
    }

    private UnreadableInputException Malformed() => new(
        _file, $"is not a SentencePiece model, or is truncated; {Bytes.Length} bytes", "Download the file again.");
}
