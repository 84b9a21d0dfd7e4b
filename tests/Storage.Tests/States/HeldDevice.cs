using Offload.Storage.Devices;

namespace Offload.Storage.Tests.States;

/// <summary>A device whose requests wait until they are let go: "in flight" for as long as a test wants.</summary>
internal sealed class HeldDevice(IBlockDevice inner) : IBlockDevice
{
    private readonly List<BlockRequest> _held = [];
    private volatile int _numHeld;

    public bool Holds { get; set; } = true;

    public IReadOnlyList<BlockRequest> Held => _held;

    /// <summary>How many there are, for another thread than the one that submits.</summary>
    public int NumHeld => _numHeld;

    /// <summary>So many submissions are taken before one is refused.</summary>
    public int? RefusesAfter { get; set; }

    /// <summary>What it refuses with; null: as a device that was disposed.</summary>
    public Exception? Refusal { get; init; }

    /// <summary>Thrown by the disposal, after it; null: nothing.</summary>
    public Exception? DisposeError { get; init; }

    public bool IsDisposed { get; private set; }

    public string Path => inner.Path;

    public long SizeBytes => inner.SizeBytes;

    public int AlignmentBytes => inner.AlignmentBytes;

    public DeviceTraffic Traffic => inner.Traffic;

    public void Submit(BlockRequest request)
    {
        if (RefusesAfter-- == 0)
        {
            throw Refusal ?? new ObjectDisposedException(nameof(HeldDevice));
        }

        if (Holds)
        {
            _held.Add(request);
            _numHeld = _held.Count;
        }
        else
        {
            inner.Submit(request);
        }
    }

    public void Flush() => inner.Flush();

    /// <summary>The first ones go to the device under it, which completes them.</summary>
    public void Release(int count = int.MaxValue)
    {
        BlockRequest[] released = [.. _held.Take(count)];
        _held.RemoveRange(0, released.Length);
        Array.ForEach(released, inner.Submit);
    }

    /// <summary>The last one goes.</summary>
    public void ReleaseLast()
    {
        BlockRequest last = _held[^1];
        _held.RemoveAt(_held.Count - 1);
        inner.Submit(last);
    }

    public void Dispose()
    {
        IsDisposed = true;
        inner.Dispose();
        if (DisposeError is not null)
        {
            throw DisposeError;
        }
    }
}
