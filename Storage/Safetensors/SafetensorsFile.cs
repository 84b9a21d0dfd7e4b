using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Offload.Storage.Files;

namespace Offload.Storage.Safetensors;

/// <summary>
/// A safetensors file open for reading. Opening reads and validates the header only; data is read where it is asked for, at
/// positions, by any number of threads at once.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    private SafetensorsFile(string path, SafeFileHandle handle, SafetensorsHeader header)
    {
        Path = path;
        _handle = handle;
        Header = header;
    }

    /// <summary>The path as it was given.</summary>
    public string Path { get; }

    /// <summary>The validated header.</summary>
    public SafetensorsHeader Header { get; }

    /// <summary>Opens a file and validates its header.</summary>
    /// <exception cref="UnreadableInputException">The file is missing or forbidden, or its header breaks the format.</exception>
    /// <exception cref="StorageException">The system failed to read.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafeFileHandle handle = InputFile.Open(path);
        try
        {
            return new SafetensorsFile(path, handle, ReadHeader(path, handle));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Reads a part of a tensor's data. Blocks; any thread.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="byteOffset">Where to begin, in bytes from the start of the tensor's data.</param>
    /// <param name="destination">Filled whole.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part reaches beyond the tensor.</exception>
    /// <exception cref="StorageException">The system failed to read, or the file has become shorter.</exception>
    public void Read(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(byteOffset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteOffset, tensor.SizeBytes - destination.Length);
        InputFile.ReadExactly(Path, _handle, tensor.FileOffsetBytes + byteOffset, destination);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _handle.Dispose();

    private static SafetensorsHeader ReadHeader(string path, SafeFileHandle handle)
    {
        long fileSizeBytes = InputFile.Length(path, handle);
        if (fileSizeBytes < SafetensorsHeader.LengthSizeBytes)
        {
            throw new UnreadableInputException(
                path,
                $"expected at least the {SafetensorsHeader.LengthSizeBytes} bytes of the header's length, found a file of {fileSizeBytes} bytes",
                "Download it again: the download or copy was not complete.");
        }

        Span<byte> prefix = stackalloc byte[SafetensorsHeader.LengthSizeBytes];
        InputFile.ReadExactly(path, handle, 0, prefix);
        if (prefix.SequenceEqual("version "u8))
        {
            throw new UnreadableInputException(
                path, "expected a safetensors file, found a Git LFS pointer", "Fetch the file itself: git lfs pull.");
        }

        ulong jsonSizeBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (jsonSizeBytes is 0 or > SafetensorsHeader.MaxJsonSizeBytes)
        {
            throw new UnreadableInputException(
                path,
                $"expected a header of 1 to {SafetensorsHeader.MaxJsonSizeBytes} bytes, found a length of {jsonSizeBytes}",
                "It is probably not a safetensors file.");
        }

        // Before anything is allocated: a small file cannot ask for much memory.
        if ((long)jsonSizeBytes > fileSizeBytes - SafetensorsHeader.LengthSizeBytes)
        {
            throw new UnreadableInputException(
                path,
                $"expected a header of {jsonSizeBytes} bytes, found {fileSizeBytes - SafetensorsHeader.LengthSizeBytes} bytes: the file is truncated",
                "Download it again: the download or copy was not complete.");
        }

        byte[] json = GC.AllocateUninitializedArray<byte>((int)jsonSizeBytes);
        InputFile.ReadExactly(path, handle, SafetensorsHeader.LengthSizeBytes, json);
        return SafetensorsHeaderParser.Parse(path, json, fileSizeBytes);
    }
}
