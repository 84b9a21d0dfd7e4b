using System.Runtime.InteropServices;

namespace Offload.Storage.Interop;

/// <summary>Memory that is mapped (Linux). Calls return an errno, 0 for success.</summary>
internal static unsafe partial class MappedMemory
{
    /// <summary>What madvise needs to hand out huge pages.</summary>
    internal const long HugePageBytes = 2 << 20;

    private const int ReadWrite = 0x1 | 0x2;
    private const int SharedPopulated = 0x1 | 0x8000;
    private const int PrivateAnonymous = 0x02 | 0x20;
    private const int AdviseHugePage = 14;

    /// <summary>Maps zeros; no page exists before it is touched.</summary>
    /// <param name="sizeBytes">Not zero.</param>
    /// <param name="alignmentBytes">Of the address: a power of two.</param>
    /// <param name="address">First byte; unmapped by the caller.</param>
    internal static int Map(long sizeBytes, long alignmentBytes, out byte* address)
    {
        // The kernel aligns to pages only: map more, then cut the ends off. Its pages may be of 16 or 64 KiB, and only whole ones can be cut off.
        long slackBytes = alignmentBytes > Environment.SystemPageSize ? alignmentBytes : 0;
        sizeBytes = ToPages(sizeBytes);
        byte* mapped = Map(null, (nuint)(sizeBytes + slackBytes), ReadWrite, PrivateAnonymous, -1, 0);
        if ((nint)mapped == -1)
        {
            address = null;
            return Marshal.GetLastPInvokeError();
        }

        address = mapped;
        if (slackBytes > 0)
        {
            address = (byte*)(((long)mapped + alignmentBytes - 1) & -alignmentBytes);
            long headBytes = address - mapped;
            Unmap(mapped, headBytes);
            Unmap(address + sizeBytes, slackBytes - headBytes);
        }

        return 0;
    }

    /// <summary>Maps a range of an open descriptor, shared with the kernel, all pages at once.</summary>
    internal static int MapShared(int descriptor, long offsetBytes, nuint sizeBytes, out byte* address)
    {
        address = Map(null, sizeBytes, ReadWrite, SharedPopulated, descriptor, (nint)offsetBytes);
        if ((nint)address != -1)
        {
            return 0;
        }

        address = null;
        return Marshal.GetLastPInvokeError();
    }

    /// <summary>Unmaps what was mapped with this size; nothing happens if that is zero.</summary>
    internal static void Unmap(byte* address, long sizeBytes)
    {
        if (sizeBytes > 0)
        {
            _ = Unmap(address, (nuint)sizeBytes); // Fails only for arguments that are not a mapping.
        }
    }

    /// <summary>Asks for huge pages.</summary>
    internal static int UseHugePages(byte* address, long sizeBytes) =>
        Advise(address, (nuint)sizeBytes, AdviseHugePage) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Keeps it in RAM, touching every page.</summary>
    internal static int Lock(byte* address, long sizeBytes) => Lock(address, (nuint)sizeBytes) < 0 ? Marshal.GetLastPInvokeError() : 0;

    private static long ToPages(long sizeBytes) => (sizeBytes + Environment.SystemPageSize - 1) & -Environment.SystemPageSize;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial byte* Map(void* address, nuint sizeBytes, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint sizeBytes);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(void* address, nuint sizeBytes, int advice);

    [LibraryImport("libc", EntryPoint = "mlock", SetLastError = true)]
    private static partial int Lock(void* address, nuint sizeBytes);
}
