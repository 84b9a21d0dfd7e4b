using Offload.Storage.Files;

namespace Offload.Storage.Devices;

/// <summary>
/// Room on drives for what only the running process needs: activations and gradients. The files have no names once they are open: nothing of them
/// is left behind, however the process ends, but for one that is killed while it makes them; the next one in the same folders removes what that left.
/// </summary>
public static class ScratchFile
{
    /// <summary>Width of a stripe over several folders: large requests go to all of them at once.</summary>
    private const int StripeBytes = 1 << 20;

    /// <summary>Makes the files and opens them as one device.</summary>
    /// <param name="folders">One or more, which exist, and which nobody else uses for this; striped evenly.</param>
    /// <param name="sizeBytes">At least so much.</param>
    /// <param name="options">How they are opened; null for the defaults.</param>
    /// <param name="wrap">Lays a device over that of each file, and owns what it is given; null: none.</param>
    /// <exception cref="StorageException">There is no room, or the system refuses.</exception>
    public static IBlockDevice Create(IReadOnlyList<string> folders, long sizeBytes, DirectFileOptions? options = null, Func<IBlockDevice, IBlockDevice>? wrap = null)
    {
        ArgumentNullException.ThrowIfNull(folders);
        ArgumentOutOfRangeException.ThrowIfZero(folders.Count, nameof(folders));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sizeBytes);
        long share = (sizeBytes + folders.Count - 1) / folders.Count;
        long fileBytes = (share + StripeBytes - 1) / StripeBytes * StripeBytes;
        foreach (string folder in folders)
        {
            RemoveLeftovers(folder);
        }

        DiskSpace.RequireAll(folders.Select(folder => (folder, fileBytes)));
        var members = new List<IBlockDevice>();
        try
        {
            foreach (string folder in folders)
            {
                members.Add(Open(folder, fileBytes, options));
                members[^1] = wrap is null ? members[^1] : wrap(members[^1]);
            }

            return members.Count == 1 ? members[0] : new StripedDevice(members, [.. Enumerable.Repeat(StripeBytes, members.Count)]);
        }
        catch
        {
            members.ForEach(member => member.Dispose());
            throw;
        }
    }

    private static void RemoveLeftovers(string folder)
    {
        if (Directory.Exists(folder))
        {
            foreach (string path in Directory.EnumerateFiles(folder, "scratch-*.offload"))
            {
                FileRemoval.Remove(path);
            }
        }
    }

    private static DirectFileDevice Open(string folder, long fileBytes, DirectFileOptions? options)
    {
        string path = System.IO.Path.Join(folder, $"scratch-{Guid.NewGuid():n}.offload");
        DirectFileDevice? device = null;
        try
        {
            PreallocatedFile.Create(path, fileBytes);
            device = DirectFileDevice.Open(path, options);
            FileRemoval.Remove(path);
            return device;
        }
        catch
        {
            device?.Dispose();
            FileRemoval.RemoveQuietly(path);
            throw;
        }
    }
}
