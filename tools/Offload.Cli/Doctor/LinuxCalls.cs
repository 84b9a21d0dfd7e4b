using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Offload.Cli.Doctor;

/// <summary>The Linux system calls that the checks try out.</summary>
internal static partial class LinuxCalls
{
    private const int ReadWriteCreateTruncateClose = 0x2 | 0x40 | 0x200 | 0x80000;
    private const int DirectX64 = 0x4000;
    private const int OwnerOnly = 0x180; // 0600
    private const int ResourceLockedMemory = 8;

    /// <summary>Creates a file with O_DIRECT; null with the system's reason if it refuses.</summary>
    internal static SafeFileHandle? CreateDirect(string path, out string? problem)
    {
        int descriptor = Open(path, ReadWriteCreateTruncateClose | DirectX64, OwnerOnly);
        problem = descriptor < 0 ? Marshal.GetLastPInvokeErrorMessage() : null;
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Asks for the soft limit on locked memory.</summary>
    /// <param name="limitBytes">Bytes; null if there is no limit.</param>
    /// <returns>Null if the system told; else its reason.</returns>
    internal static unsafe string? TryGetLockedMemoryLimit(out long? limitBytes)
    {
        ulong* limits = stackalloc ulong[2];
        bool isTold = GetResourceLimit(ResourceLockedMemory, limits) == 0;
        limitBytes = isTold && limits[0] <= long.MaxValue ? (long)limits[0] : null;
        return isTold ? null : Marshal.GetLastPInvokeErrorMessage();
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static unsafe partial int GetResourceLimit(int resource, ulong* limits);
}
