using Offload.Storage.Files;

namespace Offload.Storage.States;

/// <summary>Whether a store's files have room. Folders on one file system share what is free there.</summary>
internal static class FolderSpace
{
    /// <exception cref="StorageException">One has not: says how much is missing.</exception>
    public static void Require(IReadOnlyList<string> folders, IReadOnlyList<long> fileBytes)
    {
        string[] mounts = [.. DriveInfo.GetDrives().Select(drive => drive.Name)];
        foreach (IGrouping<string, int> group in Enumerable.Range(0, folders.Count).GroupBy(index => MountOf(folders[index], mounts)))
        {
            DiskSpace.Require(folders[group.First()], group.Sum(index => fileBytes[index]));
        }
    }

    private static string MountOf(string folder, string[] mounts) =>
        mounts.Where(mount => Contains(mount, folder)).MaxBy(mount => mount.Length) ?? "/";

    private static bool Contains(string mount, string folder) =>
        folder.StartsWith(mount, StringComparison.Ordinal)
        && (mount.EndsWith('/') || folder.Length == mount.Length || folder[mount.Length] == '/');
}
