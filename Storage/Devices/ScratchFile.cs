using Offload.Storage.Files;

namespace Offload.Storage.Devices;

/// <summary>
/// Room on drives for what only the running process needs: activations and gradients. The files have no names once they are open, so that
/// nothing of them is left behind, however the process ends.
/// </summary>
public static class ScratchFile
{
    /// <summary>Width of a stripe over several folders: large requests go to all of them at once.</summary>
    private const int StripeBytes = 1 << 20;

    /// <summary>Makes the files and opens them as one device.</summary>
    /// <param name="folders">One or more, which exist; striped evenly.</param>
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
        DiskSpace.RequireAll(folders.Select(folder => (folder, fileBytes)));
        var members = new List<IBlockDevice>();
        try
        {
            foreach (string folder in folders)
            {
                IBlockDevice device = Open(folder, fileBytes, options);
                members.Add(wrap is null ? device : wrap(device));
            }

            return members.Count == 1 ? members[0] : new StripedDevice(members, [.. Enumerable.Repeat(StripeBytes, members.Count)]);
        }
        catch
        {
            members.ForEach(member => member.Dispose());
            throw;
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
