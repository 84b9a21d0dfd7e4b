using System.Runtime.InteropServices;

namespace Offload.Storage.Interop;

/// <summary>System calls that .NET does not offer (Linux). They return an errno, 0 for success; any thread.</summary>
internal static partial class Libc
{
    internal const int Enoent = 2;
    internal const int Eintr = 4;
    internal const int Eagain = 11;
    internal const int Ebusy = 16;
    internal const int Enomem = 12;
    internal const int Einval = 22;
    internal const int Efbig = 27;
    internal const int Enospc = 28;
    internal const int Enolck = 37;
    internal const int Enosys = 38;
    internal const int Enotsup = 95;
    internal const int Edquot = 122;
    internal const int Ecanceled = 125;

    /// <summary>O_RDONLY.</summary>
    internal const int ReadOnly = 0;

    /// <summary>O_CLOEXEC, the same number on every architecture that .NET runs on.</summary>
    internal const int CloseOnExec = 0x80000;

    /// <summary>Size of struct statx, linux/stat.h.</summary>
    internal const int StatxSizeBytes = 256;

    private const int CurrentFolder = -100;
    private const uint RenameExchange = 2;

    // struct statx: stx_attributes.
    private const int StatxAttributesOffset = 8;
    private const ulong StatxAttributeMountRoot = 0x2000;

    /// <summary>Makes the entries of a folder durable: fsync of the folder itself.</summary>
    internal static int SyncFolder(string path)
    {
        // Without O_DIRECTORY, whose number differs between architectures: only folders are given.
        int descriptor = Open(path, ReadOnly | CloseOnExec, mode: 0);
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

    /// <summary>A descriptor, or -1 and the errno as the last error; the mode is that of a file that it makes.</summary>
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    /// <summary>0, or -1 and the errno as the last error.</summary>
    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    internal static partial int Fsync(int descriptor);

    /// <summary>Errors are of no use: the descriptor is gone in any case.</summary>
    [LibraryImport("libc", EntryPoint = "close")]
    internal static partial int Close(int descriptor);

    /// <summary>0, or -1 and the errno as the last error; the result is of <see cref="StatxSizeBytes"/>.</summary>
    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int Statx(int folder, string path, int flags, uint mask, byte* result);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);
}
