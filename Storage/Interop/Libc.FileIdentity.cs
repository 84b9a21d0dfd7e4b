namespace Offload.Storage.Interop;

/// <summary>Whether a path is still the name of an open file.</summary>
internal static partial class Libc
{
    // struct statx: stx_ino at 32; flags and mask of linux/fcntl.h and linux/stat.h.
    private const int StatxInodeOffset = 32;
    private const int StatxEmptyPath = 0x1000;
    private const uint StatxInode = 0x100;

    /// <summary>What tells an open file from all others; null if the system does not tell.</summary>
    internal static FileIdentity? IdentityOf(int descriptor) => IdentityOf(descriptor, "", StatxEmptyPath);

    /// <summary>What tells the file at a path from all others; null: there is none, or the system does not tell.</summary>
    internal static FileIdentity? IdentityOf(string path) => IdentityOf(CurrentFolder, path, flags: 0);

    private static unsafe FileIdentity? IdentityOf(int folder, string path, int flags)
    {
        byte* result = stackalloc byte[StatxSizeBytes];
        new Span<byte>(result, StatxSizeBytes).Clear();
        return Statx(folder, path, flags, StatxInode, result) == 0
            ? new FileIdentity(*(ulong*)(result + StatxDeviceOffset), *(ulong*)(result + StatxInodeOffset))
            : null;
    }
}
