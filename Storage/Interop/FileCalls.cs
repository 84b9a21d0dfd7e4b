using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Offload.Storage.Interop;

/// <summary>
/// System calls on files that .NET does not offer, or only with more around them than a device can use (Linux, 64 bits). They return an
/// errno, 0 for success, or a count where they say so; any thread.
/// </summary>
internal static unsafe partial class FileCalls
{
    internal const int ReadWrite = 0x2;
    internal const int CreateNew = 0x40 | 0x80;

    private const int OwnerAndGroup = 0x1B0; // 0660, less the umask.
    private const int LockExclusiveNoWait = 2 | 4;
    private const uint SyncRangeAndWait = 1 | 2 | 4;
    private const int AdviseDontNeed = 4;
    private const long TmpfsMagic = 0x01021994;
    private const long RamfsMagic = 0x858458F6;

    // struct statx, linux/stat.h: mask 0, mode 28, size 40, dio_mem_align 152, dio_offset_align 156.
    private const int AtEmptyPath = 0x1000;
    private const uint StatxBasic = 0x7FF;
    private const uint StatxDirectAlignment = 0x2000;
    private const int TypeMask = 0xF000;
    private const int TypeRegular = 0x8000;

    /// <summary>O_DIRECT: one of the flags that differ between architectures.</summary>
    internal static int Direct { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.Arm64 or Architecture.Arm => 0x10000,
        Architecture.Ppc64le => 0x20000,
        _ => 0x4000,
    };

    internal static int Open(string path, int flags, out SafeFileHandle? file)
    {
        int descriptor = Libc.Open(path, flags | Libc.CloseOnExec, OwnerAndGroup);
        file = descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
        return descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>What is known of an open file.</summary>
    /// <param name="descriptor">The file.</param>
    /// <param name="isRegular">Neither folder, pipe nor device.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <param name="directAlignmentBytes">What O_DIRECT asks of offsets and memory; 0 if it is not supported; null where the kernel (before 6.1) or the file system does not tell.</param>
    internal static int Stat(int descriptor, out bool isRegular, out long sizeBytes, out int? directAlignmentBytes)
    {
        byte* result = stackalloc byte[Libc.StatxSizeBytes];
        new Span<byte>(result, Libc.StatxSizeBytes).Clear();
        int error = Libc.Statx(descriptor, "", AtEmptyPath, StatxBasic | StatxDirectAlignment, result) < 0 ? Marshal.GetLastPInvokeError() : 0;
        isRegular = (*(ushort*)(result + 28) & TypeMask) == TypeRegular;
        sizeBytes = *(long*)(result + 40);
        int memoryBytes = *(int*)(result + 152);
        int offsetBytes = *(int*)(result + 156);
        directAlignmentBytes = (*(uint*)result & StatxDirectAlignment) == 0 ? null
            : memoryBytes == 0 || offsetBytes == 0 ? 0
            : Math.Max(memoryBytes, offsetBytes);
        return error;
    }

    /// <summary>Whether the file lives in memory (tmpfs, ramfs), where O_DIRECT has no meaning; tmpfs accepts it all the same since Linux 6.6.</summary>
    internal static bool IsInMemory(int descriptor)
    {
        // struct statfs begins with f_type, a word; 120 bytes on 64 bits.
        long* result = stackalloc long[32];
        return StatfsCall(descriptor, result) == 0 && result[0] is TmpfsMagic or RamfsMagic;
    }

    /// <summary>Locks the open file against all others; EAGAIN if somebody has it.</summary>
    internal static int LockExclusive(int descriptor) => FlockCall(descriptor, LockExclusiveNoWait) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Number of bytes, or minus an errno.</summary>
    internal static long ReadAt(int descriptor, void* address, long sizeBytes, long offsetBytes)
    {
        nint result = PreadCall(descriptor, address, (nuint)sizeBytes, offsetBytes);
        return result < 0 ? -Marshal.GetLastPInvokeError() : result;
    }

    /// <summary>Number of bytes, or minus an errno.</summary>
    internal static long WriteAt(int descriptor, void* address, long sizeBytes, long offsetBytes)
    {
        nint result = PwriteCall(descriptor, address, (nuint)sizeBytes, offsetBytes);
        return result < 0 ? -Marshal.GetLastPInvokeError() : result;
    }

    internal static int SyncData(int descriptor) => FdatasyncCall(descriptor) < 0 ? Marshal.GetLastPInvokeError() : 0;

    internal static int Sync(int descriptor) => Libc.Fsync(descriptor) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Writes a range's cached pages to the disk and waits; makes nothing durable, but tells errors (and a later fdatasync then does not).</summary>
    internal static int WriteBack(int descriptor, long offsetBytes, long sizeBytes) =>
        SyncFileRangeCall(descriptor, offsetBytes, sizeBytes, SyncRangeAndWait) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Drops clean cached pages of a range; size 0: to the end. Advice, so its failure does not matter.</summary>
    internal static void DropCache(int descriptor, long offsetBytes, long sizeBytes) => _ = FadviseCall(descriptor, offsetBytes, sizeBytes, AdviseDontNeed);

    /// <summary>Makes the file so large and reserves the space.</summary>
    internal static int Allocate(int descriptor, long sizeBytes) => FallocateCall(descriptor, 0, 0, sizeBytes) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Makes the file so large; no space is reserved.</summary>
    internal static int Truncate(int descriptor, long sizeBytes) => FtruncateCall(descriptor, sizeBytes) < 0 ? Marshal.GetLastPInvokeError() : 0;

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int StatfsCall(int descriptor, long* result);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FlockCall(int descriptor, int operation);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    private static partial nint PreadCall(int descriptor, void* address, nuint sizeBytes, long offsetBytes);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    private static partial nint PwriteCall(int descriptor, void* address, nuint sizeBytes, long offsetBytes);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int FdatasyncCall(int descriptor);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    private static partial int SyncFileRangeCall(int descriptor, long offsetBytes, long sizeBytes, uint flags);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int FadviseCall(int descriptor, long offsetBytes, long sizeBytes, int advice);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int FallocateCall(int descriptor, int mode, long offsetBytes, long sizeBytes);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int FtruncateCall(int descriptor, long sizeBytes);
}
