using Microsoft.Win32.SafeHandles;

namespace Offload.Storage.Files;

/// <summary>Opens and reads files that the user gave; errors say which path and why. Any thread.</summary>
public static class InputFile
{
    /// <summary>Opens for positional reading; the handle is the caller's to dispose.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UnreadableInputException">Missing, a folder, or forbidden.</exception>
    /// <exception cref="StorageException">The system refused otherwise.</exception>
    public static SafeFileHandle Open(string path)
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
    /// <param name="path">The file's name for messages.</param>
    /// <param name="handle">From <see cref="Open"/>.</param>
    /// <exception cref="UnreadableInputException">Not a regular file.</exception>
    /// <exception cref="StorageException">The system refused.</exception>
    public static long Length(string path, SafeFileHandle handle)
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
    /// <param name="path">The file's name for messages.</param>
    /// <param name="handle">From <see cref="Open"/>.</param>
    /// <param name="offsetBytes">Where the first byte stands.</param>
    /// <param name="destination">Filled whole.</param>
    /// <exception cref="StorageException">An error of the system, or fewer bytes than asked for.</exception>
    public static void ReadExactly(string path, SafeFileHandle handle, long offsetBytes, Span<byte> destination)
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

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">Larger files are refused before they are read.</param>
    /// <exception cref="UnreadableInputException">Missing, a folder, forbidden, no regular file, or larger.</exception>
    /// <exception cref="StorageException">An error of the system.</exception>
    public static byte[] ReadAll(string path, int maxBytes)
    {
        using SafeFileHandle handle = Open(path);
        long lengthBytes = Length(path, handle);
        if (lengthBytes > maxBytes)
        {
            throw new UnreadableInputException(path, $"has {lengthBytes} bytes; expected at most {maxBytes}", "Check that this is the right file.");
        }

        byte[] contents = new byte[lengthBytes];
        ReadExactly(path, handle, 0, contents);
        return contents;
    }
}
