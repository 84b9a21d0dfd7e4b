using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Offload.Cli.Doctor;

/// <summary>Whether model states can be streamed to and from the given folders. Everything is really tried.</summary>
internal static class StorageChecks
{
    private const int BlockBytes = 4096;

    internal static IEnumerable<Check> Run(IReadOnlyList<string> folders)
    {
        yield return Check.Try("io_uring", Ring);
        foreach (string folder in folders)
        {
            yield return Check.Try($"storage {folder}", () => Folder(folder));
        }
    }

    private static Check Ring()
    {
        using IoUring? ring = IoUring.TryCreate(out string? problem);
        return ring is null
            ? Check.Warning("io_uring", $"refused: {problem}", "reads and writes go through threads instead; allow it with 'sysctl kernel.io_uring_disabled=0' or in the container's seccomp profile")
            : Check.Ok("io_uring", "can be set up");
    }

    private static Check Folder(string folder)
    {
        string name = $"storage {Path.GetFullPath(folder)}";
        // --nvme makes a folder that is missing, so what counts is the nearest one that is there.
        DirectoryInfo? existing = new(Path.GetFullPath(folder));
        while (existing is { Exists: false })
        {
            existing = existing.Parent;
        }

        if (existing is null || File.Exists(folder))
        {
            return Check.Missing(name, "not a folder", "name a folder on the drive");
        }

        string path = Path.Combine(existing.FullName, $".offload-doctor-{Guid.NewGuid():N}");
        try
        {
            var drive = new DriveInfo(existing.FullName);
            string found = $"{drive.DriveFormat}, {Sizes.Format(drive.AvailableFreeSpace)} free";
            if (drive.DriveFormat is "tmpfs" or "ramfs")
            {
                return Check.Warning(name, $"{found}: this is memory, not a drive", "states kept here count against CPU memory and are lost at a restart; use a folder on an NVMe drive");
            }

            return TryDirect(path, out string? ringProblem) is { } problem ? Refused(name, existing.FullName, found, problem)
                : ringProblem is null ? Check.Ok(name, $"{found}, O_DIRECT and io_uring work")
                : Check.Warning(name, $"{found}, O_DIRECT works, io_uring does not: {ringProblem}", "reads and writes go through threads instead");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Check.Missing(name, error.Message, "check the drive and its mount: 'dmesg' may say more");
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static Check Refused(string name, string folder, string found, string problem)
    {
        // Told apart by trying again: a folder that takes no file at all is useless, one without O_DIRECT is only slower.
        string path = Path.Combine(folder, $".offload-doctor-{Guid.NewGuid():N}");
        try
        {
            File.WriteAllBytes(path, new byte[BlockBytes]);
            return Check.Warning(name, $"{found}, no O_DIRECT: {problem}", "reads and writes go through the page cache; use a folder on ext4 or xfs on a local NVMe drive");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Check.Missing(name, $"{found}, cannot be written: {error.Message}", "choose a folder that you may write to, with space left");
        }
        finally
        {
            File.Delete(path);
        }
    }

    // Writes an aligned block past the page cache and reads it back, through an io_uring too; null if the plain way gives the same.
    private static unsafe string? TryDirect(string path, out string? ringProblem)
    {
        ringProblem = null;
        using SafeFileHandle? file = LinuxCalls.CreateDirect(path, out string? problem);
        if (file is null)
        {
            return problem;
        }

        void* memory = NativeMemory.AlignedAlloc(2 * BlockBytes, BlockBytes);
        try
        {
            var written = new Span<byte>(memory, BlockBytes);
            var read = new Span<byte>((byte*)memory + BlockBytes, BlockBytes);
            for (int i = 0; i < BlockBytes; i++)
            {
                written[i] = (byte)(i * 31);
            }

            read.Clear();
            RandomAccess.Write(file, written, fileOffset: 0);
            int numRead = RandomAccess.Read(file, read, fileOffset: 0);
            if (numRead != BlockBytes || !written.SequenceEqual(read))
            {
                return numRead != BlockBytes ? $"read {numRead} of {BlockBytes} bytes" : "read back other bytes than were written";
            }

            read.Clear();
            using IoUring? ring = IoUring.TryCreate(out ringProblem);
            ringProblem ??= ring!.TryRead(file, (byte*)memory + BlockBytes, BlockBytes) ?? (written.SequenceEqual(read) ? null : "read back other bytes than were written");
            return null;
        }
        catch (IOException error)
        {
            return error.Message;
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }
}
