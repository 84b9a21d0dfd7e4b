using Microsoft.Win32.SafeHandles;

namespace Offload.Storage.Files;

/// <summary>Opens and reads files that the user gave; errors say which path and why. Any thread.</summary>
internal static class InputFile
{
    /// <summary>Opens for positional reading.</summary>
    /// <exception cref="UnreadableInputException">Missing, a folder, or forbidden.</exception>
    /// <exception cref="StorageException">The system refused otherwise.</exception>
    internal static SafeFileHandle Open(string path)
    {
        if (Directory.Exists(path))
        {
            throw new UnreadableInputException(path, "expected a file, found a folder");
        }

        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UnreadableInputException(path, "there is no such file", "Check the path.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new UnreadableInputException(path, "reading it is not permitted", "Check the owner and mode of the file.", error);
        }
        catch (IOException error)
        {
            throw IoErrors.Wrap(path, "open", error);
        }
    }

    /// <summary>Size in bytes.</summary>
    /// <exception cref="UnreadableInputException">Not a regular file.</exception>
    /// <exception cref="StorageException">The system refused.</exception>
    internal static long Length(string path, SafeFileHandle handle)
    {
        try
        {
            return RandomAccess.GetLength(handle);
        }
        catch (NotSupportedException error)
        {
            throw new UnreadableInputException(path, "expected a regular file, found a pipe or device", hint: null, error);
        }
        catch (IOException error)
        {
            throw IoErrors.Wrap(path, "ask for the size", error);
        }
    }

    /// <summary>Fills the destination from an offset.</summary>
    /// <exception cref="StorageException">An error of the system, or fewer bytes than asked for.</exception>
    internal static void ReadExactly(string path, SafeFileHandle handle, long offsetBytes, Span<byte> destination)
    {
        int doneBytes = 0;
        while (doneBytes < destination.Length)
        {
            long positionBytes = offsetBytes + doneBytes;
            Span<byte> rest = destination[doneBytes..];
            int readBytes;
            try
            {
                readBytes = RandomAccess.Read(handle, rest, positionBytes);
            }
            catch (Exception error) when (IoErrors.IsIoError(error))
            {
                throw IoErrors.Wrap(path, IoErrors.Transfer("read", rest.Length, positionBytes), error);
            }

            if (readBytes == 0)
            {
                throw new StorageException(
                    path,
                    IoErrors.Transfer("read", destination.Length, offsetBytes),
                    $"only {doneBytes} bytes came: the file has become shorter since it was opened",
                    "Do not change a model while it is in use.");
            }

            doneBytes += readBytes;
        }
    }
}
