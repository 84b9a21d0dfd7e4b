using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>
/// Writes a token file from front to back. It grows under a temporary name and takes its own in <see cref="Complete"/>; if that is not
/// reached, nothing is left behind. For one thread.
/// </summary>
internal sealed class TokenStoreWriter : IDisposable
{
    private const int BufferedTokens = 64 << 10;

    private readonly string _path;
    private readonly string _partialPath;
    private readonly FileStream _file;
    private readonly int[] _buffer = new int[BufferedTokens];
    private readonly XxHash3 _hash = new();
    private int _numBuffered;
    private bool _isComplete;

    /// <param name="path">The file to make; its folder is made if missing, a file of that name is replaced.</param>
    /// <exception cref="StorageException">It cannot be made.</exception>
    public TokenStoreWriter(string path)
    {
        _path = path;
        _partialPath = path + ".partial";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            _file = new FileStream(_partialPath, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(_partialPath, "create the token file", e.Message, cause: e);
        }

        Write(new byte[TokenStore.HeaderBytes]);
    }

    /// <summary>Tokens appended so far.</summary>
    public long NumTokens { get; private set; }

    /// <summary>Documents begun so far.</summary>
    public long NumDocuments { get; set; }

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
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(24), NumDocuments);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(32), _hash.GetCurrentHashAsUInt64());
        _file.Position = 0;
        Write(header);
        try
        {
            _file.Dispose();
            File.Move(_partialPath, _path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(_path, "complete the token file", e.Message, cause: e);
        }

        _isComplete = true;
    }

    public void Dispose()
    {
        _file.Dispose();
        if (!_isComplete)
        {
            File.Delete(_partialPath);
        }
    }

    private void Flush()
    {
        // Little-endian like every machine that this runs on.
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(_buffer.AsSpan(0, _numBuffered));
        _hash.Append(bytes);
        Write(bytes);
        _numBuffered = 0;
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        long offset = _file.Position;
        try
        {
            _file.Write(bytes);
        }
        catch (IOException e)
        {
            throw new StorageException(_partialPath, $"write {bytes.Length} bytes at offset {offset}", e.Message, "the token file takes 4 bytes a token; free disk space or name another folder", e);
        }
    }
}
