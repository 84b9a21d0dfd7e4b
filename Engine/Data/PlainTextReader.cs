using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text;
using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>
/// Reads a .txt file as one document. Where the tokenizer allows it, the text comes in pieces, each cut after the first line break at
/// or past the piece's size that stands between two non-space characters; cuts depend on the text alone, not on how it was read.
/// </summary>
internal static class PlainTextReader
{
    /// <summary>Long enough that a piece's overhead vanishes, short enough that many fit in memory.</summary>
    public const int DefaultPieceBytes = 1 << 20;

    /// <param name="path">A file.</param>
    /// <param name="canSplit">Whether the tokenizer gives the same ids for pieces as for the whole.</param>
    /// <param name="pieceBytes">Bytes of a piece up to its next possible cut.</param>
    /// <param name="maxTextBytes">Longest piece.</param>
    /// <param name="cancellationToken">Stops between pieces.</param>
    /// <exception cref="UnreadableInputException">Unreadable, empty, not UTF-8, or too long without a place to cut.</exception>
    public static async IAsyncEnumerable<TextPiece> ReadAsync(
        string path, bool canSplit, int pieceBytes, int maxTextBytes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        PipeReader reader = DataFile.Open(path);
        try
        {
            long offset = 0;
            int wantedBytes = pieceBytes;
            bool begins = true;
            while (true)
            {
                ReadResult read = await DataFile.ReadAsync(reader, wantedBytes, path, cancellationToken).ConfigureAwait(false);
                (string Text, int NumBytes)? piece = TakePiece(read.Buffer, read.IsCompleted, canSplit, pieceBytes, path, offset);
                if (piece is not { } found)
                {
                    if (read.Buffer.Length > maxTextBytes)
                    {
                        throw TooLong(path, offset, canSplit, maxTextBytes);
                    }

                    // Doubling keeps the repeated search for a cut linear in the text's length.
                    wantedBytes = (int)Math.Min(2 * read.Buffer.Length, maxTextBytes + 1L);
                    reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                    continue;
                }

                bool ends = read.IsCompleted && found.NumBytes == read.Buffer.Length;
                reader.AdvanceTo(read.Buffer.GetPosition(found.NumBytes));
                if (found.Text.Length == 0)
                {
                    throw new UnreadableInputException(path, "the data file is empty", "give a file with text");
                }

                yield return new TextPiece(found.Text, begins, ends, path, found.NumBytes);
                if (ends)
                {
                    yield break;
                }

                begins = false;
                offset += found.NumBytes;
                wantedBytes = pieceBytes;
            }
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The next piece at the start of the buffer; null if more must be read to find its end.</summary>
    private static (string Text, int NumBytes)? TakePiece(ReadOnlySequence<byte> buffer, bool isLast, bool canSplit, int pieceBytes, string path, long offset)
    {
        if (!isLast && !canSplit)
        {
            return null;
        }

        byte[]? rented = null;
        try
        {
            ReadOnlySpan<byte> utf8 = buffer.FirstSpan;
            if (!buffer.IsSingleSegment)
            {
                rented = ArrayPool<byte>.Shared.Rent(checked((int)buffer.Length));
                buffer.CopyTo(rented);
                utf8 = rented.AsSpan(0, (int)buffer.Length);
            }

            int length = canSplit ? IndexOfCut(utf8, pieceBytes) : -1;
            if (length < 0)
            {
                if (!isLast)
                {
                    return null;
                }

                length = utf8.Length;
            }

            int skipped = offset == 0 ? StrictUtf8.ByteOrderMarkLength(utf8) : 0;
            ReadOnlySpan<byte> text = utf8[skipped..length];
            int invalid = StrictUtf8.IndexOfInvalid(text);
            return invalid < 0
                ? (Encoding.UTF8.GetString(text), length)
                : throw new UnreadableInputException(path, $"not UTF-8: invalid byte 0x{text[invalid]:X2} at byte offset {offset + skipped + invalid}", "convert the file to UTF-8, for example with iconv");
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    /// <summary>The first place to cut at or after <paramref name="start"/>; -1 if there is none so far.</summary>
    private static int IndexOfCut(ReadOnlySpan<byte> utf8, int start)
    {
        for (int index = start; index < utf8.Length; index++)
        {
            int found = utf8[index..].IndexOf((byte)'\n');
            if (found < 0)
            {
                return -1;
            }

            index += found;
            if (Rune.DecodeLastFromUtf8(utf8[..index], out Rune before, out _) == OperationStatus.Done && !Rune.IsWhiteSpace(before)
                && Rune.DecodeFromUtf8(utf8[(index + 1)..], out Rune after, out _) == OperationStatus.Done && !Rune.IsWhiteSpace(after))
            {
                return index + 1;
            }
        }

        return -1;
    }

    private static UnreadableInputException TooLong(string path, long offset, bool canSplit, int maxTextBytes) =>
        canSplit
            ? new(path, $"more than {maxTextBytes} bytes from offset {offset} without a line break between two non-space characters", "end lines with LF rather than CR LF, or give documents as .jsonl")
            : new(path, $"more than {maxTextBytes} bytes, and this tokenizer needs the whole document at once", "give the text as several documents, for example as .jsonl");
}
