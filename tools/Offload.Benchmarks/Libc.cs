using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Offload.Benchmarks;

/// <summary>What the benchmarks need of the C library.</summary>
internal static partial class Libc
{
    private const int MadvHugepage = 14;

    /// <summary>Asks Linux to back a range with huge pages; elsewhere nothing happens.</summary>
    /// <exception cref="Win32Exception">The system refused.</exception>
    public static void AdviseHugePages(nint address, nuint sizeBytes)
    {
        if (OperatingSystem.IsLinux() && Madvise(address, sizeBytes, MadvHugepage) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Gives free heap memory back to the system, so that resident memory is what is used.</summary>
    public static void ReturnFreeMemory() => _ = MallocTrim(0);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint padding);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Madvise(nint address, nuint length, int advice);
}
