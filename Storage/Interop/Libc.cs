using System.Runtime.InteropServices;

namespace Offload.Storage.Interop;

/// <summary>System calls that .NET does not offer (Linux). They return an errno, 0 for success; any thread.</summary>
internal static partial class Libc
{
    internal const int Enoent = 2;
    internal const int Eintr = 4;
    internal const int Eagain = 11;
    internal const int Ebusy = 16;
    internal const int Einval = 22;
    internal const int Efbig = 27;
    internal const int Enospc = 28;
    internal const int Enolck = 37;
    internal const int Enosys = 38;
    internal const int Enotsup = 95;
    internal const int Edquot = 122;
    internal const int Ecanceled = 125;

    private const int OpenReadOnlyDirectoryCloseOnExec = 0x10000 | 0x80000;
    private const int CurrentFolder = -100;
    private const uint RenameExchange = 2;

    // struct statx, linux/stat.h: 256 bytes, stx_attributes at 8.
    private const int StatxSizeBytes = 256;
    private const int StatxAttributesOffset = 8;
    private const ulong StatxAttributeMountRoot = 0x2000;

    /// <summary>Makes the entries of a folder durable: fsync of the folder itself.</summary>
    internal static int SyncFolder(string path)
    {
        int descriptor = Open(path, OpenReadOnlyDirectoryCloseOnExec);
        if (descriptor < 0)
        {
            return Marshal.GetLastPInvokeError();
        }

        int error = Fsync(descriptor) < 0 ? Marshal.GetLastPInvokeError() : 0;
        _ = Close(descriptor); // Opened for reading: nothing is left that a close could lose.

        // Some network and FUSE file systems have no fsync for folders and say so.
        return error is Einval or Enotsup ? 0 : error;
    }

    /// <summary>Swaps two paths of one file system in one atomic step.</summary>
    internal static int Exchange(string first, string second) =>
        RenameAt2(CurrentFolder, first, CurrentFolder, second, RenameExchange) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Whether something is mounted at the path; false where the kernel (before 5.8) does not tell.</summary>
    internal static unsafe bool IsMountPoint(string path)
    {
        byte* result = stackalloc byte[StatxSizeBytes];
        new Span<byte>(result, StatxSizeBytes).Clear();
        return Statx(CurrentFolder, path, flags: 0, mask: 0, result) == 0
            && (*(ulong*)(result + StatxAttributesOffset) & StatxAttributeMountRoot) != 0;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(int folder, string path, int flags, uint mask, byte* result);
}
