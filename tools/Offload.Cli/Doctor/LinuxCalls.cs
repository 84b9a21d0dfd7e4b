using System.Runtime.InteropServices;

namespace Offload.Cli.Doctor;

/// <summary>The Linux system calls that the checks try out.</summary>
internal static partial class LinuxCalls
{
    private const int ResourceLockedMemory = 8;

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

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static unsafe partial int GetResourceLimit(int resource, ulong* limits);
}
