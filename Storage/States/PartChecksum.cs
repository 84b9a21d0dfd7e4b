using System.IO.Hashing;
using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>
/// The checksum of one part of a transfer, computed over its bytes in order while later ones are still on their way. Belongs to its transfer and
/// is used again with it. One checksum thread at a time works on it; what is said to be guarded is so by the transfer's lock.
/// </summary>
internal sealed unsafe class PartChecksum(TileTransfer transfer) : IWaiting<PartChecksum>
{
    private readonly XxHash3 _hash = new();
    private byte* _address;
    private int _offsetBytes;
    private int _sizeBytes;
    private int _numReady; // Guarded.
    private int _numTaken; // Guarded.
    private int _numAdded;
    private bool _isQueued; // Guarded: it waits for a checksum thread, or has one.

    PartChecksum? IWaiting<PartChecksum>.Next { get; set; }

    /// <summary>Place among those that wait for a checksum thread.</summary>
    public IoPriority Priority => transfer.Priority;

    /// <summary>Of the bytes so far; all of them once the transfer has counted this as done.</summary>
    public ulong Value => _hash.GetCurrentHashAsUInt64();

    /// <summary>Bytes whose checksum is computed.</summary>
    public int NumAdded => Volatile.Read(ref _numAdded);

    /// <summary>Begins anew.</summary>
    /// <param name="tileAddress">The tile's memory.</param>
    /// <param name="range">Where the part lies in it.</param>
    public void Prepare(byte* tileAddress, PartRange range)
    {
        _hash.Reset();
        _address = tileAddress + range.OffsetBytes;
        _offsetBytes = range.OffsetBytes;
        _sizeBytes = range.PaddedBytes;
        _numReady = 0;
        _numTaken = 0;
        _numAdded = 0;
        _isQueued = false;
    }

    /// <summary>Guarded. The tile's bytes are there up to an offset, as far as they are wanted.</summary>
    /// <returns>Whether it has work now and waits for no thread yet: the caller queues it.</returns>
    public bool Extend(long tileBytes)
    {
        _numReady = (int)Math.Clamp(tileBytes - _offsetBytes, 0, _sizeBytes);
        if (_isQueued || _numReady == _numTaken)
        {
            return false;
        }

        _isQueued = true;
        return true;
    }

    /// <summary>Guarded. Called by the thread that works on it.</summary>
    /// <returns>Bytes to add now; 0: none, the thread leaves it.</returns>
    public int Take()
    {
        int count = _numReady - _numTaken;
        _numTaken = _numReady;
        _isQueued = count > 0;
        return count;
    }

    /// <summary>Guarded. The thread leaves it for good: the transfer has failed.</summary>
    public void Leave() => _isQueued = false;

    /// <summary>Adds the next bytes.</summary>
    public void Add(int count)
    {
        _hash.Append(new ReadOnlySpan<byte>(_address + _numAdded, count));
        Volatile.Write(ref _numAdded, _numAdded + count);
    }

    /// <summary>Called by a checksum thread whose turn it is.</summary>
    public void Compute() => transfer.Compute(this);
}
