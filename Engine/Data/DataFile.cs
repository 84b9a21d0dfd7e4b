using System.IO.Pipelines;
using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>What the readers of data files share: opening, limits, errors.</summary>
internal static class DataFile
{
    /// <summary>Longest line, and longest text that cannot be cut: it is held in memory several times over.</summary>
    public const int MaxTextBytes = 64 << 20;

    // Few system calls, little memory; larger ones read no faster.
    private const int BufferBytes = 256 << 10;

    /// <summary>Checks that a path names a non-empty file of a known kind; returns its size.</summary>
    /// <exception cref="UnreadableInputException">It does not.</exception>
    public static long Check(string path)
    {
        if (Directory.Exists(path))
        {
            throw new UnreadableInputException(path, "is a folder; expected a .txt or .jsonl file");
        }

        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
            {
                throw new UnreadableInputException(path, "no such data file", "name an existing .txt or .jsonl file with --data");
            }

            if (!IsPlainText(path) && !IsJsonLines(path))
            {
                string found = file.Extension.Length == 0 ? "none" : file.Extension;
                throw new UnreadableInputException(path, $"unknown kind of data file: expected the extension .txt or .jsonl, found {found}", "rename it: .txt is one document, .jsonl has an object with a field \"text\" on each line");
            }

            return file.Length > 0 ? file.Length : throw new UnreadableInputException(path, "the data file is empty", "give a file with text");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotRead(path, e);
        }
    }

    /// <summary>The documents of a checked file in order, long ones in pieces where that is allowed.</summary>
    /// <exception cref="UnreadableInputException">The file cannot be read, or holds no document.</exception>
    public static IAsyncEnumerable<TextPiece> ReadAsync(string path, bool canSplitAtLineBreaks, CancellationToken cancellationToken) =>
        IsPlainText(path)
            ? PlainTextReader.ReadAsync(path, canSplitAtLineBreaks, PlainTextReader.DefaultPieceBytes, MaxTextBytes, cancellationToken)
            : JsonLinesReader.ReadAsync(path, MaxTextBytes, cancellationToken);

    /// <summary>A reader of the file's bytes; its completion closes the file.</summary>
    /// <exception cref="UnreadableInputException">The file cannot be opened.</exception>
    public static PipeReader Open(string path)
    {
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.Read, BufferSize = 0, Options = FileOptions.SequentialScan };
            return PipeReader.Create(new FileStream(path, options), new StreamPipeReaderOptions(bufferSize: BufferBytes));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotRead(path, e);
        }
    }

    /// <summary>At least <paramref name="minimumBytes"/> unless the file ends before.</summary>
    /// <exception cref="UnreadableInputException">Reading fails.</exception>
    public static async ValueTask<ReadResult> ReadAsync(PipeReader reader, int minimumBytes, string path, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadAtLeastAsync(minimumBytes, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw CannotRead(path, e);
        }
    }

    private static bool IsPlainText(string path) => path.EndsWith(".txt", StringComparison.OrdinalIgnoreCase);

    private static bool IsJsonLines(string path) => path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);

    private static UnreadableInputException CannotRead(string path, Exception cause) => new(path, $"cannot be read: {cause.Message}", cause: cause);
}
