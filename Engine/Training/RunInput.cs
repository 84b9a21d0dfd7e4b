using System.Globalization;
using System.IO.Hashing;
using Offload.Engine.Data;
using Offload.Storage;

namespace Offload.Engine.Training;

/// <summary>A data file as it was when its tokens were made; stored with the run, so that a resume with other data is noticed.</summary>
/// <param name="Name">The path as it was given; a file may move.</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="Hash">XxHash3 of its bytes, 16 hexadecimal digits.</param>
public sealed record RunInput(string Name, long SizeBytes, string Hash)
{
    private const int BufferBytes = 1 << 20;

    /// <summary>Reads the files.</summary>
    /// <exception cref="UnreadableInputException">A file is missing, empty or of another kind.</exception>
    /// <exception cref="StorageException">Reading failed.</exception>
    internal static IReadOnlyList<RunInput> Of(IReadOnlyList<string> paths, CancellationToken cancellation)
    {
        // All are looked at before any is read.
        long[] sizes = [.. paths.Select(DataFile.Check)];
        return [.. paths.Select((path, index) => new RunInput(path, sizes[index], HashOf(path, cancellation)))];
    }

    /// <summary>Whether the files hold the same bytes in the same order, whatever their names.</summary>
    internal static bool AreSame(IReadOnlyList<RunInput> some, IReadOnlyList<RunInput> others) =>
        some.Select(input => (input.SizeBytes, input.Hash)).SequenceEqual(others.Select(input => (input.SizeBytes, input.Hash)));

    /// <summary>For messages.</summary>
    internal static string Describe(IReadOnlyList<RunInput> inputs) => inputs.Count == 0
        ? "none"
        : string.Join(", ", inputs.Select(input => string.Create(CultureInfo.InvariantCulture, $"{input.Name} ({input.SizeBytes} bytes, XxHash3 {input.Hash})")));

    private static string HashOf(string path, CancellationToken cancellation)
    {
        var hash = new XxHash3();
        byte[] buffer = new byte[BufferBytes];
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            for (int readBytes = file.Read(buffer); readBytes > 0; readBytes = file.Read(buffer))
            {
                cancellation.ThrowIfCancellationRequested();
                hash.Append(buffer.AsSpan(0, readBytes));
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(path, "read", error.Message, cause: error);
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
