using System.Globalization;
using Offload.Storage.Interop;

namespace Offload.Storage.Files;

/// <summary>Free space of file systems. Stateless; any thread.</summary>
public static class DiskSpace
{
    /// <summary>Bytes that this user may still write on the file system of a path.</summary>
    /// <param name="path">A file or folder; it need not exist yet (its nearest existing ancestor is asked).</param>
    /// <exception cref="StorageException">The file system cannot be asked.</exception>
    public static long AvailableBytes(string path)
    {
        string existing = NearestExisting(path);
        try
        {
            return new DriveInfo(existing).AvailableFreeSpace;
        }
        catch (Exception error) when (IoErrors.IsIoError(error))
        {
            throw IoErrors.Wrap(existing, "ask for free space", error);
        }
    }

    /// <summary>Refuses to begin what cannot fit. Quotas are not seen here; they surface as an error of a write.</summary>
    /// <param name="path">What is about to be written; it need not exist yet.</param>
    /// <param name="sizeBytes">Bytes that will be written.</param>
    /// <exception cref="StorageException">Fewer bytes are free; says how many are missing.</exception>
    public static void Require(string path, long sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        long availableBytes = AvailableBytes(path);
        if (availableBytes < sizeBytes)
        {
            throw new StorageException(
                path,
                $"write {sizeBytes} bytes",
                $"only {availableBytes} bytes are free, {sizeBytes - availableBytes} bytes are missing",
                "Free space on that file system or choose a folder on another one.");
        }
    }

    /// <summary>Refuses to begin what cannot fit; what goes to the same file system is counted together.</summary>
    /// <param name="needs">What is about to be written, and how many bytes of it.</param>
    /// <exception cref="StorageException">Fewer bytes are free on one of the file systems; says how many are missing.</exception>
    public static void RequireAll(IEnumerable<(string Path, long SizeBytes)> needs)
    {
        foreach (IGrouping<string, (string Path, long SizeBytes)> together in needs.GroupBy(need => FileSystemOf(need.Path)))
        {
            Require(together.MaxBy(need => need.SizeBytes).Path, together.Sum(need => need.SizeBytes));
        }
    }

    /// <summary>Refuses to begin what cannot fit however it is shared out among some folders.</summary>
    /// <param name="folders">Where it will be written; they need not exist yet.</param>
    /// <param name="sizeBytes">Bytes that will be written to all of them together.</param>
    /// <exception cref="StorageException">Fewer bytes are free on all file systems together; says how many are missing.</exception>
    public static void RequireTogether(IReadOnlyList<string> folders, long sizeBytes)
    {
        long availableBytes = AvailableTogether(folders);
        if (availableBytes < sizeBytes)
        {
            throw new StorageException(
                string.Join(", ", folders),
                $"write {sizeBytes} bytes",
                $"only {availableBytes} bytes are free on all of them together, {sizeBytes - availableBytes} bytes are missing",
                "Free space on these file systems or choose folders on others.");
        }
    }

    /// <summary>Bytes that are free on all folders' file systems, each counted once.</summary>
    /// <param name="folders">They may be missing: what holds them counts.</param>
    public static long AvailableTogether(IReadOnlyList<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        return folders.DistinctBy(FileSystemOf).Sum(AvailableBytes);
    }

    private static string FileSystemOf(string path) => Libc.FileSystemOf(NearestExisting(path))?.ToString(CultureInfo.InvariantCulture) ?? path;

    private static string NearestExisting(string path)
    {
        string current = Path.GetFullPath(path);
        while (!Directory.Exists(current) && !File.Exists(current) && Path.GetDirectoryName(current) is { } parent)
        {
            current = parent;
        }

        return current;
    }
}
