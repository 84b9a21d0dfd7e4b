using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Engine.Data;

/// <summary>
/// A file of token ids, read at any place. Layout, little-endian: magic "OFLTOKEN", int32 version, int32 zero, int64 number of tokens,
/// uint64 XxHash3 of the ids' bytes, then the ids as int32. Owns the open file; safe for concurrent reads.
/// </summary>
internal sealed class TokenStore : IDisposable
{
    internal const int HeaderBytes = 32;
    internal const int Version = 1;

    private readonly string _path;
    private readonly SafeFileHandle _file;

    private TokenStore(string path, SafeFileHandle file, ReadOnlySpan<byte> header)
    {
        _path = path;
        _file = file;
        NumTokens = BinaryPrimitives.ReadInt64LittleEndian(header[16..]);
        ContentHash = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
    }

    /// <summary>Number of token ids.</summary>
    public long NumTokens { get; }

    /// <summary>XxHash3 of the ids: tells whether a resumed run sees the same data.</summary>
    public ulong ContentHash { get; }

    internal static ReadOnlySpan<byte> Magic => "OFLTOKEN"u8;

    /// <summary>Opens a token file that was completed.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="UnreadableInputException">There is no such file, or reading it is not permitted.</exception>
    /// <exception cref="StorageException">It cannot be read.</exception>
    /// <exception cref="StoreMismatchException">It is no token file, of another version, or truncated.</exception>
    public static TokenStore Open(string path)
    {
        SafeFileHandle file = InputFile.Open(path);
        try
        {
            long length = InputFile.Length(path, file);
            byte[] header = new byte[HeaderBytes];
            InputFile.ReadExactly(path, file, 0, header.AsSpan(0, (int)Math.Min(length, HeaderBytes)));
            if (length < HeaderBytes || !header.AsSpan().StartsWith(Magic))
            {
                throw Mismatch(path, "not a token file");
            }

            int version = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(8));
            if (version != Version)
            {
                throw Mismatch(path, $"expected version {Version}, found {version}");
            }

            var store = new TokenStore(path, file, header);
            return store.NumTokens >= 0 && store.NumTokens == (length - HeaderBytes) / sizeof(int) && (length - HeaderBytes) % sizeof(int) == 0
                ? store
                : throw Mismatch(path, $"expected {store.NumTokens} tokens of {sizeof(int)} bytes after {HeaderBytes} bytes of header, found a file of {length} bytes");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads ids from a place on.</summary>
    /// <param name="firstToken">Index of the first one.</param>
    /// <param name="destination">Filled whole; must not reach past the last token.</param>
    /// <exception cref="StorageException">Reading fails or the file has shrunk.</exception>
    public void Read(long firstToken, Span<int> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstToken);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstToken, NumTokens - destination.Length);
        InputFile.ReadExactly(_path, _file, HeaderBytes + (firstToken * sizeof(int)), MemoryMarshal.AsBytes(destination));
    }

    /// <summary>Reads all ids and compares their hash with the header's.</summary>
    /// <exception cref="StoreMismatchException">The file is damaged.</exception>
    /// <exception cref="StorageException">Reading fails.</exception>
    public void Verify()
    {
        const int ChunkTokens = 1 << 18;
        var hash = new XxHash3();
        int[] buffer = new int[(int)Math.Min(ChunkTokens, NumTokens)];
        for (long first = 0; first < NumTokens; first += ChunkTokens)
        {
            Span<int> chunk = buffer.AsSpan(0, (int)Math.Min(ChunkTokens, NumTokens - first));
            Read(first, chunk);
            hash.Append(MemoryMarshal.AsBytes(chunk));
        }

        ulong actual = hash.GetCurrentHashAsUInt64();
        if (actual != ContentHash)
        {
            throw Mismatch(_path, $"expected checksum {ContentHash:x16}, found {actual:x16}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static StoreMismatchException Mismatch(string path, string problem) => new(path, problem, "delete it: it is made again from the data");
}
