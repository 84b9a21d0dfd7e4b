namespace Offload.Storage.Benchmarks;

/// <summary>What the system tells of the drive under a folder; null: it does not tell.</summary>
/// <param name="Path">The folder.</param>
/// <param name="FileSystem">Type of the file system: "ext4".</param>
/// <param name="BlockDevice">The kernel's name of the disk, or of the volume over disks: "nvme0n1".</param>
/// <param name="Model">The maker's name for it.</param>
/// <param name="Scheduler">The kernel's I/O scheduler: "none" is best for NVMe.</param>
/// <param name="MaxRequestKiB">Largest request that the kernel gives the disk in one piece.</param>
public sealed record DriveFacts(string Path, string? FileSystem, string? BlockDevice, string? Model, string? Scheduler, int? MaxRequestKiB)
{
    private const string SysBlock = "/sys/class/block";

    /// <summary>Asks for them; never fails.</summary>
    /// <param name="path">A folder; it need not exist yet.</param>
    public static DriveFacts Of(string path)
    {
        string full = System.IO.Path.GetFullPath(path);
        if (Mount.Of(full) is not { } mount)
        {
            return new DriveFacts(full, null, null, null, null, null);
        }

        string? disk = FindDisk(mount);
        return new DriveFacts(
            full,
            mount.FileSystem,
            disk,
            disk is null ? null : Read(disk, "device/model"),
            disk is null ? null : ChosenWord(Read(disk, "queue/scheduler")),
            disk is not null && int.TryParse(Read(disk, "queue/max_sectors_kb"), out int kibibytes) ? kibibytes : null);
    }

    /// <summary>The word in brackets, which is how the kernel marks the choice; the whole text if there are none.</summary>
    internal static string? ChosenWord(string? choices)
    {
        int open = choices?.IndexOf('[', StringComparison.Ordinal) ?? -1;
        int close = choices?.IndexOf(']', StringComparison.Ordinal) ?? -1;
        return open >= 0 && close > open ? choices![(open + 1)..close] : choices;
    }

    // File systems over several devices, such as btrfs, have a device number of their own: then the source tells.
    private static string? FindDisk(Mount mount)
    {
        string? link = Directory.Exists($"/sys/dev/block/{mount.DeviceNumber}") ? $"/sys/dev/block/{mount.DeviceNumber}"
            : mount.Source.StartsWith("/dev/", StringComparison.Ordinal) ? $"{SysBlock}/{System.IO.Path.GetFileName(mount.Source)}"
            : null;
        if (link is null || !Directory.Exists(link))
        {
            return null;
        }

        // A partition's folder lies in that of its disk.
        string folder = new DirectoryInfo(link).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? link;
        return System.IO.Path.GetFileName(File.Exists(System.IO.Path.Combine(folder, "partition")) ? System.IO.Path.GetDirectoryName(folder) : folder);
    }

    private static string? Read(string disk, string name) => SystemText.Read($"{SysBlock}/{disk}/{name}");
}
