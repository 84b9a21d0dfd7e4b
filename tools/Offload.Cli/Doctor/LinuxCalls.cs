using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Offload.Cli.Doctor;

/// <summary>The Linux system calls that the checks try out.</summary>
internal static partial class LinuxCalls
{
    private const int ReadWriteCreateTruncateClose = 0x2 | 0x40 | 0x200 | 0x80000;
    private const int DirectX64 = 0x4000;
    private const int OwnerOnly = 0x180; // 0600
    private const int IoUringSetup = 425;
    private const int IoUringParamsBytes = 120;
    private const int ResourceLockedMemory = 8;

    /// <summary>Creates a file with O_DIRECT; null with the system's reason if it refuses.</summary>
    internal static SafeFileHandle? CreateDirect(string path, out string? problem)
    {
        int descriptor = Open(path, ReadWriteCreateTruncateClose | DirectX64, OwnerOnly);
        problem = descriptor < 0 ? Marshal.GetLastPInvokeErrorMessage() : null;
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Sets up an io_uring of four entries and closes it; null if that worked, else the system's reason.</summary>
    internal static unsafe string? TryIoUring()
    {
        byte* parameters = stackalloc byte[IoUringParamsBytes];
        new Span<byte>(parameters, IoUringParamsBytes).Clear();
        long descriptor = SystemCall(IoUringSetup, 4, (IntPtr)parameters);
        if (descriptor < 0)
        {
            return Marshal.GetLastPInvokeErrorMessage();
        }

        new SafeFileHandle((int)descriptor, ownsHandle: true).Dispose();
        return null;
    }

    /// <summary>The soft limit on locked memory in bytes; null if there is none.</summary>
    internal static unsafe long? LockedMemoryLimitBytes()
    {
        ulong* limits = stackalloc ulong[2];
        return GetResourceLimit(ResourceLockedMemory, limits) == 0 && limits[0] <= long.MaxValue ? (long)limits[0] : null;
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, uint numEntries, IntPtr parameters);

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static unsafe partial int GetResourceLimit(int resource, ulong* limits);
}
