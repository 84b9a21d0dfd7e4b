using Microsoft.Win32.SafeHandles;
using Offload.Storage.Files;
using Offload.Storage.Interop;

namespace Offload.Storage.Devices;

/// <summary>Makes files of a fixed size with their disk space reserved, to be opened as <see cref="DirectFileDevice"/>. Stateless; any thread.</summary>
public static class PreallocatedFile
{
    /// <summary>
    /// Makes a new file; it reads as zeros. File, size and entry in its folder are durable when the call returns. Nothing is left behind if it
    /// fails.
    /// </summary>
    /// <param name="path">Must not exist; its folder must.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <param name="onWarning">Gets one line where the file system cannot reserve the space, so that a later write may find the disk full.</param>
    /// <exception cref="StorageException">Too little free space (says how much is missing), the file exists, or the system refuses.</exception>
    public static void Create(string path, long sizeBytes, Action<string>? onWarning = null)
    {
        DiskSpace.Require(path, sizeBytes);
        int error = FileCalls.Open(path, FileCalls.ReadWrite | FileCalls.CreateNew, out SafeFileHandle? handle);
        if (error != 0)
        {
            throw IoErrors.FromErrno(path, "create", error);
        }

        try
        {
            using (handle)
            {
                Size(path, (int)handle!.DangerousGetHandle(), sizeBytes, onWarning);
            }

            AtomicFile.SyncFolder(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
        }
        catch
        {
            FileRemoval.RemoveQuietly(path);
            throw;
        }
    }

    private static void Size(string path, int descriptor, long sizeBytes, Action<string>? onWarning)
    {
        int error;
        do
        {
            // fallocate of no bytes is an error, an empty file is not.
            error = sizeBytes == 0 ? 0 : FileCalls.Allocate(descriptor, sizeBytes);
        }
        while (error == Libc.Eintr);

        if (error is Libc.Enotsup or Libc.Enosys)
        {
            // Zeros written instead would reserve nothing on the copy-on-write file systems that end up here, and wear the drive.
            onWarning?.Invoke($"{path}: the file system cannot reserve space; should it fill up, writes will fail");
            error = FileCalls.Truncate(descriptor, sizeBytes);
        }

        if (error != 0)
        {
            throw IoErrors.FromErrno(path, $"reserve {sizeBytes} bytes", error);
        }

        error = FileCalls.Sync(descriptor);
        if (error != 0)
        {
            throw IoErrors.FromErrno(path, "flush", error);
        }
    }
}
