using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;

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

    private static Check Ring() => DirectFileDevice.IoUringProblem() is { } problem
        ? Check.Warning("io_uring", $"refused: {problem}", "reads and writes go through threads instead; allow it with 'sysctl kernel.io_uring_disabled=0' or in the container's seccomp profile")
        : Check.Ok("io_uring", "can be set up");

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
        string found = existing.FullName;
        try
        {
            var drive = new DriveInfo(existing.FullName);
            found = $"{drive.DriveFormat}, {Sizes.Format(drive.AvailableFreeSpace)} free";
            PreallocatedFile.Create(path, BlockBytes);
            string? refused = null;
            using var device = DirectFileDevice.Open(path, new DirectFileOptions { OnWarning = warning => refused = warning });
            return TryBlock(device) is { } problem ? Check.Missing(name, $"{found}, {problem}", "check the drive and its mount: 'dmesg' may say more")
                : drive.DriveFormat is "tmpfs" or "ramfs" ? Check.Warning(name, $"{found}: this is memory, not a drive", "states kept here count against CPU memory and are lost at a restart; use a folder on an NVMe drive")
                : !device.IsDirect ? Check.Warning(name, $"{found}, no O_DIRECT: {refused}", "use a folder on ext4 or xfs on a local NVMe drive")
                : device.Engine == IoEngine.IoUring ? Check.Ok(name, $"{found}, O_DIRECT and io_uring work")
                : Check.Warning(name, $"{found}, O_DIRECT works, io_uring does not: {device.EngineReason}", "reads and writes go through threads instead");
        }
        catch (StorageException error)
        {
            return Check.Missing(name, $"{found}, cannot be written: {error.Message}", error.Hint ?? "check the drive and its mount: 'dmesg' may say more");
        }
        finally
        {
            File.Delete(path);
        }
    }

    // Writes a block, makes it durable and reads it back; null if the bytes are the same.
    private static unsafe string? TryBlock(DirectFileDevice device)
    {
        using var memory = new NativeBuffer(2 * BlockBytes);
        Span<byte> written = memory.AsSpan<byte>(0, BlockBytes);
        for (int i = 0; i < BlockBytes; i++)
        {
            written[i] = (byte)(i * 31);
        }

        var request = new BlockingRequest();
        request.Transfer(device, BlockOperation.Write, 0, memory.Address, BlockBytes);
        device.Flush();
        request.Transfer(device, BlockOperation.Read, 0, (byte*)memory.Address + BlockBytes, BlockBytes);
        return written.SequenceEqual(memory.AsSpan<byte>(BlockBytes, BlockBytes)) ? null : "read back other bytes than were written";
    }
}
