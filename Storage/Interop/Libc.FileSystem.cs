namespace Offload.Storage.Interop;

/// <summary>What a file lies on.</summary>
internal static partial class Libc
{
    // struct statx: stx_dev_major and stx_dev_minor.
    private const int StatxDeviceOffset = 136;

    /// <summary>A number for the file system of an existing path, the same for paths of the same one; null if the system does not tell.</summary>
    internal static unsafe ulong? FileSystemOf(string path)
    {
        byte* result = stackalloc byte[StatxSizeBytes];
        new Span<byte>(result, StatxSizeBytes).Clear();
        return Statx(CurrentFolder, path, flags: 0, mask: 0, result) == 0 ? *(ulong*)(result + StatxDeviceOffset) : null;
    }
}
