using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>
/// Reads a .jsonl file: on each line an object whose string field <c>text</c> is a document. Blank lines and empty documents are
/// skipped; other fields are ignored.
/// </summary>
internal static class JsonLinesReader
{
    private const int MaxNamedFields = 8;
    private const int MaxNameLength = 40;

    /// <param name="path">A file.</param>
    /// <param name="maxLineBytes">Longest line.</param>
    /// <param name="cancellationToken">Stops between lines.</param>
    /// <exception cref="UnreadableInputException">Unreadable, without documents, or with a line that is wrong or too long.</exception>
    public static async IAsyncEnumerable<TextPiece> ReadAsync(string path, int maxLineBytes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        PipeReader reader = DataFile.Open(path);
        try
        {
            long lineNumber = 1;
            long numBytes = 0;
            long scannedBytes = 0; // of the line at the buffer's start; a long line is searched once, not once a read
            bool anyDocument = false;
            bool completed = false;
            while (!completed)
            {
                ReadResult read = await DataFile.ReadAsync(reader, minimumBytes: (int)Math.Min(scannedBytes + 1, int.MaxValue), path, cancellationToken).ConfigureAwait(false);
                ReadOnlySequence<byte> rest = read.Buffer;
                completed = read.IsCompleted;
                while (!rest.IsEmpty)
                {
                    SequencePosition? lineBreak = rest.Slice(scannedBytes).PositionOf((byte)'\n');
                    ReadOnlySequence<byte> line = lineBreak is { } end ? rest.Slice(0, end) : rest;
                    if (line.Length > maxLineBytes)
                    {
                        throw new UnreadableInputException($"{path}:{lineNumber}", $"the line is longer than {maxLineBytes} bytes", "split the document into several");
                    }

                    scannedBytes = line.Length;
                    if (lineBreak is null && !completed)
                    {
                        break;
                    }

                    scannedBytes = 0;
                    numBytes += line.Length + (lineBreak is null ? 0 : 1);
                    rest = lineBreak is { } found ? rest.Slice(rest.GetPosition(1, found)) : rest.Slice(rest.End);
                    string where = $"{path}:{lineNumber}";
                    if (ReadLine(line, isFirst: lineNumber == 1, where) is { Length: > 0 } text)
                    {
                        anyDocument = true;
                        yield return new TextPiece(text, BeginsDocument: true, EndsDocument: true, where, numBytes);
                        numBytes = 0;
                    }

                    lineNumber++;
                }

                reader.AdvanceTo(rest.Start, read.Buffer.End);
            }

            if (!anyDocument)
            {
                throw new UnreadableInputException(path, "the data file holds no documents: every line is blank or has an empty text");
            }
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
    }

    private static string? ReadLine(ReadOnlySequence<byte> line, bool isFirst, string where)
    {
        if (line.IsSingleSegment)
        {
            return ReadLine(line.FirstSpan, isFirst, where);
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent((int)line.Length);
        try
        {
            line.CopyTo(rented);
            return ReadLine(rented.AsSpan(0, (int)line.Length), isFirst, where);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>The document of a line; null if the line is blank.</summary>
    private static string? ReadLine(ReadOnlySpan<byte> line, bool isFirst, string where)
    {
        ReadOnlySpan<byte> json = isFirst ? line[StrictUtf8.ByteOrderMarkLength(line)..] : line;
        int invalid = StrictUtf8.IndexOfInvalid(json);
        if (invalid >= 0)
        {
            throw new UnreadableInputException(where, $"not UTF-8: invalid byte 0x{json[invalid]:X2} at byte {invalid + line.Length - json.Length + 1} of the line");
        }

        if (json.Trim(" \t\r"u8).IsEmpty)
        {
            return null;
        }

        try
        {
            var reader = new Utf8JsonReader(json);
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                throw new UnreadableInputException(where, $"expected a JSON object with a field \"text\", found {Describe(reader.TokenType)}");
            }

            string? text = ReadTextField(ref reader, where);
            reader.Read(); // refuses anything after the object
            return text ?? throw new UnreadableInputException(where, $"no field \"text\"; found {FieldNames(json)}", "each line needs its document as a string field \"text\"");
        }
        catch (JsonException e)
        {
            throw new UnreadableInputException(where, $"not JSON (byte {e.BytePositionInLine + 1} of the line)", "each line of a .jsonl file is one JSON object", e);
        }
    }

    private static string? ReadTextField(ref Utf8JsonReader reader, string where)
    {
        string? text = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isText = reader.ValueTextEquals("text"u8);
            reader.Read();
            if (!isText)
            {
                reader.Skip();
                continue;
            }

            if (reader.TokenType != JsonTokenType.String)
            {
                throw new UnreadableInputException(where, $"field \"text\": expected a string, found {Describe(reader.TokenType)}");
            }

            try
            {
                text = reader.GetString();
            }
            catch (InvalidOperationException e)
            {
                throw new UnreadableInputException(where, "field \"text\": an escape names half of a surrogate pair, which is no character", cause: e);
            }
        }

        return text;
    }

    // Only after the line was read once without an error.
    private static string FieldNames(ReadOnlySpan<byte> json)
    {
        using JsonDocument document = JsonDocument.Parse(json.ToArray());
        string[] names = [.. document.RootElement.EnumerateObject().Select(field => field.Name)];
        return names.Length == 0
            ? "no fields"
            : string.Join(", ", names.Take(MaxNamedFields).Select(name => $"\"{JsonEncodedText.Encode(name.Length > MaxNameLength ? name[..MaxNameLength] + "..." : name)}\""))
              + (names.Length > MaxNamedFields ? $" and {names.Length - MaxNamedFields} more" : "");
    }

    private static string Describe(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.Null => "null",
        _ => "true or false",
    };
}
