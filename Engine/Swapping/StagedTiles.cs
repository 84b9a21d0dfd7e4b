using Offload.Storage.Memory;

namespace Offload.Engine.Swapping;

/// <summary>
/// Tiles of states in a GPU's own memory, as code on the CPU sees them while no lane is at work: copied to CPU memory, and back if they were
/// changed. One thread. Owns the copies, whose memory is taken when it is first needed.
/// </summary>
/// <param name="device">The GPU.</param>
/// <param name="maxTileBytes">Bytes of the largest tile.</param>
/// <param name="count">Copies that may be in use at once.</param>
/// <param name="limit">What their memory is reserved from.</param>
internal sealed unsafe class StagedTiles(ISwapDevice device, long maxTileBytes, int count, MemoryLimit limit) : IDisposable
{
    private MemoryRegion? _region;
    private byte* _onGpu;
    private long _sizeBytes;
    private bool _isChanged;

    /// <summary>A tile to be read, or changed: the one before is put back first.</summary>
    /// <param name="onGpu">Its first byte.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <param name="isChanged">Whether the caller changes it.</param>
    /// <returns>Its copy, until the next call of any method.</returns>
    public byte* View(byte* onGpu, long sizeBytes, bool isChanged)
    {
        if (_onGpu != onGpu)
        {
            PutBack();
            device.CopyNow(onGpu, At(0), sizeBytes);
            _onGpu = onGpu;
            _sizeBytes = sizeBytes;
        }

        _isChanged |= isChanged;
        return At(0);
    }

    /// <summary>Puts a changed tile back; what is on the GPU counts from here on.</summary>
    public void PutBack()
    {
        if (_isChanged)
        {
            device.CopyNow(At(0), _onGpu, _sizeBytes);
        }

        _onGpu = null;
        _isChanged = false;
    }

    /// <summary>A copy that stays until the same number is asked for again. Not beside <see cref="View"/>.</summary>
    /// <param name="index">From 0.</param>
    /// <param name="onGpu">First byte of the tile.</param>
    /// <param name="sizeBytes">Size.</param>
    public byte* Copy(int index, byte* onGpu, long sizeBytes)
    {
        PutBack();
        device.CopyNow(onGpu, At(index), sizeBytes);
        return At(index);
    }

    /// <summary>Forgets what was viewed, changed or not, and frees the copies: others have filled the tiles, or an error is on its way.</summary>
    public void Forget()
    {
        _onGpu = null;
        _isChanged = false;
        _region?.Dispose();
        _region = null;
    }

    public void Dispose() => _region?.Dispose();

    private byte* At(int index)
    {
        _region ??= new MemoryRegion(count * maxTileBytes, "tiles on their way from the GPU", limit);
        return _region.Address + (index * maxTileBytes);
    }
}
