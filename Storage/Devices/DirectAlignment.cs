using Offload.Storage.Files;
using Offload.Storage.Interop;
using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>What a file opened with O_DIRECT asks of offsets, sizes and addresses. Any thread.</summary>
internal static unsafe class DirectAlignment
{
    /// <summary>Smallest block of a disk.</summary>
    private const int MinBytes = 512;

    /// <summary>Largest alignment that devices may have (<see cref="IBlockDevice.AlignmentBytes"/>).</summary>
    private const int MaxBytes = 4096;

    /// <summary>The alignment, a power of two; null if none of up to 4096 bytes will do.</summary>
    /// <exception cref="StorageException">The file cannot be read.</exception>
    public static int? Find(string path, int descriptor)
    {
        int error = FileCalls.Stat(descriptor, out _, out long sizeBytes, out int? toldBytes);
        return error != 0 ? throw IoErrors.FromErrno(path, "ask for the alignment", error)
            : toldBytes is null ? Probe(path, descriptor, sizeBytes)
            : toldBytes is 0 or > MaxBytes ? null
            : Math.Max(toldBytes.Value, MinBytes);
    }

    /// <summary>Tries reads; the smallest alignment with which one succeeds.</summary>
    internal static int? Probe(string path, int descriptor, long sizeBytes)
    {
        using var memory = new NativeBuffer(2 * MaxBytes);
        for (int candidateBytes = MinBytes; candidateBytes <= MaxBytes; candidateBytes *= 2)
        {
            // Memory, and where the file is long enough the offset too, is a multiple of this alignment and of no larger one.
            long offsetBytes = sizeBytes >= 2 * candidateBytes ? candidateBytes : 0;
            long result;
            do
            {
                result = FileCalls.ReadAt(descriptor, (byte*)memory.Address + candidateBytes, candidateBytes, offsetBytes);
            }
            while (result == -Libc.Eintr);

            if (result >= 0)
            {
                return candidateBytes;
            }

            if (result != -Libc.Einval)
            {
                throw IoErrors.FromErrno(path, IoErrors.Transfer("read", candidateBytes, offsetBytes), (int)-result);
            }
        }

        return null;
    }
}
