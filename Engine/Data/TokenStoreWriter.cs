using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Offload.Storage;
using Offload.Storage.Files;

namespace Offload.Engine.Data;

/// <summary>
/// Writes a token file from front to back. It gets its name, durable, in <see cref="Complete"/>; if that is not reached, nothing is left
/// behind. For one thread.
/// </summary>
internal sealed class TokenStoreWriter : IDisposable
{
    private const int BufferedTokens = 64 << 10;

    private readonly AtomicFile _file;
    private readonly int[] _buffer = new int[BufferedTokens];
    private readonly XxHash3 _hash = new();
    private int _numBuffered;
    private long _endBytes = TokenStore.HeaderBytes;

    /// <param name="path">The file to make; its folder is made if missing, a file of that name is replaced.</param>
    /// <exception cref="StorageException">It cannot be made.</exception>
    public TokenStoreWriter(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(folder, "create the token file's folder", e.Message, cause: e);
        }

        _file = new AtomicFile(path);
    }

    /// <summary>Tokens appended so far.</summary>
    public long NumTokens { get; private set; }

    /// <exception cref="StorageException">Writing fails.</exception>
    public void Append(ReadOnlySpan<int> tokens)
    {
        NumTokens += tokens.Length;
        while (!tokens.IsEmpty)
        {
            int length = Math.Min(tokens.Length, BufferedTokens - _numBuffered);
            tokens[..length].CopyTo(_buffer.AsSpan(_numBuffered));
            tokens = tokens[length..];
            _numBuffered += length;
            if (_numBuffered == BufferedTokens)
            {
                Flush();
            }
        }
    }

    /// <summary>Writes what is left and the header, and gives the file its name.</summary>
    /// <exception cref="StorageException">Writing fails.</exception>
    public void Complete()
    {
        Flush();
        byte[] header = new byte[TokenStore.HeaderBytes];
        TokenStore.Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), TokenStore.Version);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), NumTokens);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(24), _hash.GetCurrentHashAsUInt64());
        _file.WriteAt(0, header);
        _file.Commit();
    }

    public void Dispose() => _file.Dispose();

    private void Flush()
    {
        // Little-endian like every machine that this runs on.
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(_buffer.AsSpan(0, _numBuffered));
        _hash.Append(bytes);
        _file.WriteAt(_endBytes, bytes);
        _endBytes += bytes.Length;
        _numBuffered = 0;
    }
}
