using System.Runtime.InteropServices;

namespace Offload.Storage.Memory;

/// <summary>
/// Zeroed native memory aligned to 4 KiB. Owned by whoever creates it; the garbage collector never
/// frees it. Not safe for concurrent disposal.
/// </summary>
public sealed unsafe class NativeBuffer : IDisposable
{
    /// <summary>Alignment of every buffer: the largest that any disk's sectors ask of direct I/O. A page on x64; arm64's may be larger.</summary>
    public const int AlignmentBytes = 4096;

    private static long _outstandingBytes;
    private static int _outstandingCount;

    private void* _address;

    /// <param name="sizeBytes">Size; zero is allowed.</param>
    /// <exception cref="OutOfMemoryException">The system has no such room.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative.</exception>
    public NativeBuffer(long sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        SizeBytes = sizeBytes;
        _address = NativeMemory.AlignedAlloc((nuint)Math.Max(sizeBytes, 1), AlignmentBytes);
        NativeMemory.Clear(_address, (nuint)sizeBytes);
        Interlocked.Add(ref _outstandingBytes, sizeBytes);
        Interlocked.Increment(ref _outstandingCount);
    }

    /// <summary>Bytes of all buffers that are not yet disposed.</summary>
    public static long OutstandingBytes => Interlocked.Read(ref _outstandingBytes);

    /// <summary>Number of buffers that are not yet disposed.</summary>
    public static int OutstandingCount => Volatile.Read(ref _outstandingCount);

    /// <summary>Size.</summary>
    public long SizeBytes { get; }

    /// <summary>First byte.</summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public void* Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_address is null, this);
            return _address;
        }
    }

    /// <summary>A range as a span; at most 2^31 - 1 elements.</summary>
    /// <param name="offset">First element.</param>
    /// <param name="count">Number of elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the buffer.</exception>
    public Span<T> AsSpan<T>(long offset, int count)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, (SizeBytes / sizeof(T)) - count);
        return new Span<T>((T*)Address + offset, count);
    }

    /// <summary>Sets every byte to zero.</summary>
    public void Clear() => NativeMemory.Clear(Address, (nuint)SizeBytes);

    /// <summary>Frees the memory; idempotent.</summary>
    public void Dispose()
    {
        if (_address is not null)
        {
            NativeMemory.AlignedFree(_address);
            _address = null;
            Interlocked.Add(ref _outstandingBytes, -SizeBytes);
            Interlocked.Decrement(ref _outstandingCount);
        }
    }
}
