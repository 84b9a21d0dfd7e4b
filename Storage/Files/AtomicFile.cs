using Microsoft.Win32.SafeHandles;
using Offload.Storage.Interop;

namespace Offload.Storage.Files;

/// <summary>
/// A file that appears under its name only when it is complete and durable: written to a temporary file in the same folder,
/// flushed, renamed, and the folder flushed. Whatever goes wrong before, a file that had the name stays as it was.
/// </summary>
/// <remarks>
/// The temporary file is <c>.NAME.XXXXXXXX.offload-tmp</c>; it is removed by <see cref="Dispose"/>, and one left by a killed
/// process by the next <see cref="AtomicFile"/> of that name. One thread at a time.
/// </remarks>
public sealed class AtomicFile : IDisposable
{
    private const string TemporarySuffix = ".offload-tmp";
    private readonly string _temporaryPath;
    private readonly SafeFileHandle _handle;
    private bool _committed;

    /// <param name="path">The final path; its folder must exist.</param>
    /// <exception cref="StorageException">The temporary file cannot be made.</exception>
    public AtomicFile(string path)
    {
        Path = System.IO.Path.GetFullPath(path);
        string folder = System.IO.Path.GetDirectoryName(Path)
            ?? throw new StorageException(Path, "create", "a file path was expected, found the root folder");
        string prefix = $".{System.IO.Path.GetFileName(Path)}.";
        try
        {
            RemoveLeftovers(folder, prefix);
            _temporaryPath = System.IO.Path.Join(folder, $"{prefix}{Random.Shared.Next():x8}{TemporarySuffix}");

            // FileShare.None locks the file (flock), which is how RemoveLeftovers tells a living writer from a dead one.
            _handle = File.OpenHandle(_temporaryPath, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(Path, "create", error);
        }
    }

    /// <summary>Over a handle that is open already; for tests, which inject devices that fail.</summary>
    internal AtomicFile(string path, string temporaryPath, SafeFileHandle handle)
    {
        Path = path;
        _temporaryPath = temporaryPath;
        _handle = handle;
    }

    /// <summary>The final path.</summary>
    public string Path { get; }

    /// <summary>Writes a small file whole: create, write, <see cref="Commit"/>.</summary>
    /// <exception cref="StorageException">Any step failed; a previous file is untouched.</exception>
    public static void Write(string path, ReadOnlySpan<byte> contents)
    {
        using var file = new AtomicFile(path);
        file.WriteAt(0, contents);
        file.Commit();
    }

    /// <summary>Writes all the bytes at an offset from the start of the file. May block.</summary>
    /// <exception cref="StorageException">The system refused, a full disk for instance; names path, offset and errno.</exception>
    public void WriteAt(long offsetBytes, ReadOnlySpan<byte> contents)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        try
        {
            RandomAccess.Write(_handle, contents, offsetBytes);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(Path, IoErrors.Transfer("write", contents.Length, offsetBytes), error);
        }
        catch (ArgumentOutOfRangeException) when (offsetBytes >= 0)
        {
            // What .NET makes of EFBIG: the file system or a limit on the process (ulimit -f) allows no larger file.
            throw IoErrors.FromErrno(Path, IoErrors.Transfer("write", contents.Length, offsetBytes), Libc.Efbig);
        }
    }

    /// <summary>Makes the file durable and gives it its name, in place of a previous one. Blocks until the disk has it.</summary>
    /// <exception cref="StorageException">
    /// Flushing or renaming failed. A failed flush is final (the system may have dropped the data): nothing is retried.
    /// </exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        string operation = "flush to disk";
        try
        {
            RandomAccess.FlushToDisk(_handle);
            operation = "rename from its temporary name";
            File.Move(_temporaryPath, Path, overwrite: true);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(Path, operation, error);
        }

        _committed = true;
        _handle.Dispose();
        SyncFolder(System.IO.Path.GetDirectoryName(Path)!);
    }

    /// <summary>Removes the temporary file unless <see cref="Commit"/> succeeded.</summary>
    public void Dispose()
    {
        if (_handle.IsClosed)
        {
            return;
        }

        // Deleted while the lock is held, so that no one takes it for a leftover in between.
        try
        {
            if (!_committed)
            {
                File.Delete(_temporaryPath);
            }
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            // Most likely another error is on its way up, and it says more than this one. The next AtomicFile of this name
            // tries again.
        }

        _handle.Dispose();
    }

    /// <summary>Flushes the entries of a folder: what was made, renamed or deleted in it.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="StorageException">The system refused.</exception>
    public static void SyncFolder(string folder)
    {
        int errno = Libc.SyncFolder(folder);
        if (errno != 0)
        {
            throw IoErrors.FromErrno(folder, "flush to disk", errno);
        }
    }

    private static void RemoveLeftovers(string folder, string prefix)
    {
        foreach (string path in Directory.EnumerateFiles(folder))
        {
            string name = System.IO.Path.GetFileName(path);
            if (name.Length == prefix.Length + 8 + TemporarySuffix.Length
                && name.StartsWith(prefix, StringComparison.Ordinal)
                && name.EndsWith(TemporarySuffix, StringComparison.Ordinal))
            {
                RemoveIfUnused(path);
            }
        }
    }

    private static void RemoveIfUnused(string path)
    {
        try
        {
            using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.None);
            File.Delete(path);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            // Locked by a living writer, or another user's: not ours to remove, and not in our way.
        }
    }
}
