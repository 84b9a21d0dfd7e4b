using Microsoft.Win32.SafeHandles;
using Offload.Storage.Interop;

namespace Offload.Storage.Files;

/// <summary>
/// A folder that appears, whole, only when everything in it is complete and durable. Fill <see cref="StagingPath"/>, a sibling of
/// the target, then <see cref="Commit"/>: the two are exchanged in one atomic step, so a previous folder is never half replaced.
/// </summary>
/// <remarks>
/// Staging is <c>.NAME.offload-tmp</c>; it is removed by <see cref="Dispose"/>, and one left by a killed process by the next
/// <see cref="AtomicFolder"/> of that name. Two processes cannot fill the same target at once. Where the file system cannot
/// exchange, the previous folder bears the name <c>.NAME.offload-old</c> for a moment and gets its own back if the process
/// dies in it. One thread at a time.
/// </remarks>
public sealed class AtomicFolder : IDisposable
{
    private readonly Func<string, bool>? _mayReplace;
    private readonly string _replacedPath;
    private readonly SafeFileHandle _lock;
    private readonly bool _exchange;
    private bool _committed;

    /// <param name="path">The folder to make or replace; parents are made. A symbolic link is followed.</param>
    /// <param name="mayReplace">
    /// Which files (by name) of an existing folder may vanish when it is replaced. Any other file, and any subfolder, is someone's
    /// work: the constructor refuses. Null: an existing folder must be empty.
    /// </param>
    /// <exception cref="StorageException">
    /// The folder holds something that may not be replaced, is a mount point, is being written by another process, or the
    /// system refused.
    /// </exception>
    public AtomicFolder(string path, Func<string, bool>? mayReplace = null)
        : this(path, mayReplace, exchange: true)
    {
    }

    internal AtomicFolder(string path, Func<string, bool>? mayReplace, bool exchange)
    {
        _mayReplace = mayReplace;
        _exchange = exchange;
        Path = Resolve(path);
        string parent = System.IO.Path.GetDirectoryName(Path)
            ?? throw new StorageException(Path, "replace", "it is the root folder", "Give a folder below it.");
        string name = System.IO.Path.GetFileName(Path);
        StagingPath = System.IO.Path.Join(parent, $".{name}.offload-tmp");
        _replacedPath = System.IO.Path.Join(parent, $".{name}.offload-old");
        _lock = Lock(Path, System.IO.Path.Join(parent, $".{name}.offload-lock"));
        try
        {
            PutBackReplaced();
            ThrowIfNotReplaceable();
            DeleteIfExists(StagingPath);
            Directory.CreateDirectory(StagingPath);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            _lock.Dispose();
            throw IoErrors.Wrap(Path, "prepare", error);
        }
        catch
        {
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>The target.</summary>
    public string Path { get; }

    /// <summary>Where to write; exists and is empty after construction, gone after <see cref="Commit"/> or <see cref="Dispose"/>.</summary>
    public string StagingPath { get; }

    /// <summary>Makes everything in staging durable and puts it in the target's place. Blocks until the disk has it.</summary>
    /// <exception cref="StorageException">A step failed, or something appeared in the target meanwhile that may not be replaced.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_lock.IsClosed, this);
        string operation = "flush to disk";
        try
        {
            SyncTree(StagingPath);
            ThrowIfNotReplaceable();
            operation = "put the new folder in place";
            if (!Directory.Exists(Path))
            {
                Directory.Move(StagingPath, Path);
            }
            else if (!TryExchange())
            {
                Directory.Move(Path, _replacedPath);
                Directory.Move(StagingPath, Path);
            }

            _committed = true;
            AtomicFile.SyncFolder(System.IO.Path.GetDirectoryName(Path)!);
            operation = "remove the folder that was replaced";
            DeleteIfExists(StagingPath);
            DeleteIfExists(_replacedPath);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(Path, operation, error);
        }
    }

    /// <summary>Removes staging unless <see cref="Commit"/> succeeded, and lets other processes write.</summary>
    public void Dispose()
    {
        if (_lock.IsClosed)
        {
            return;
        }

        try
        {
            if (!_committed)
            {
                PutBackReplaced();
                DeleteIfExists(StagingPath);
            }
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            // Most likely another error is on its way up, and it says more than this one. The next AtomicFolder of this name
            // tries again.
        }

        _lock.Dispose();
    }

    private static string Resolve(string path)
    {
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        try
        {
            return Directory.Exists(full) ? Directory.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full : full;
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(full, "resolve", error);
        }
    }

    // .NET removes the file while it still holds the lock, and opens anew if the file that it locked was removed meanwhile: no two can hold it.
    private static SafeFileHandle Lock(string path, string lockPath)
    {
        try
        {
            DurableFolder.Create(System.IO.Path.GetDirectoryName(lockPath)!);
            return File.OpenHandle(lockPath, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (IoErrors.Errno(error) == Libc.Eagain)
        {
            throw new StorageException(path, "write a folder", "another process is writing it", "Wait for that one to end.", error);
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            // The lock is ours to know; what the user named is the folder.
            throw IoErrors.Wrap(path, "make files beside the folder", error);
        }
    }

    private static void DeleteIfExists(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void SyncTree(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder))
        {
            using SafeFileHandle handle = File.OpenHandle(file);
            RandomAccess.FlushToDisk(handle);
        }

        foreach (string child in Directory.EnumerateDirectories(folder))
        {
            SyncTree(child);
        }

        AtomicFile.SyncFolder(folder);
    }

    /// <summary>A process died, or a rename failed, between the two renames of a replacement without exchange.</summary>
    private void PutBackReplaced()
    {
        if (!Directory.Exists(_replacedPath))
        {
            return;
        }

        if (Directory.Exists(Path) && Directory.EnumerateFileSystemEntries(Path).Any())
        {
            Directory.Delete(_replacedPath, recursive: true);
            return;
        }

        // An empty folder that someone made in between is no reason to lose the previous one.
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path);
        }

        Directory.Move(_replacedPath, Path);
    }

    private void ThrowIfNotReplaceable()
    {
        if (File.Exists(Path))
        {
            throw new StorageException(Path, "write a folder", "a file with this name exists", "Give another name or remove the file.");
        }

        if (!Directory.Exists(Path))
        {
            return;
        }

        if (Libc.IsMountPoint(Path))
        {
            throw new StorageException(
                Path, "write a folder", "it is a mount point, which cannot be replaced in one step", $"Give a folder below it: {Path}/model.");
        }

        foreach (string entry in Directory.EnumerateFileSystemEntries(Path))
        {
            string name = System.IO.Path.GetFileName(entry);
            if (Directory.Exists(entry) || _mayReplace is null || !_mayReplace(name))
            {
                throw new StorageException(
                    Path, "replace the folder", $"it holds {DisplayText.Quote(name)}, which would be lost", "Give a new or empty folder.");
            }
        }
    }

    private bool TryExchange()
    {
        if (!_exchange)
        {
            return false;
        }

        int errno = Libc.Exchange(StagingPath, Path);
        return errno switch
        {
            0 => true,
            Libc.Einval or Libc.Enosys or Libc.Enotsup => false,
            _ => throw IoErrors.FromErrno(Path, "put the new folder in place", errno),
        };
    }
}
