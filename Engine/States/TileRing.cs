using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>
/// A few tile slots that are used in turn, so that reads and writes are in flight beside the work on a tile. Nothing is allocated per tile.
/// One thread at a time. After an error no transfer is in flight any more, and what was started and not committed is undefined.
/// </summary>
internal sealed unsafe class TileRing : IDisposable
{
    /// <summary>One tile at work, two that are read ahead of it, one that is written behind it: the disk has work beside the computation, memory stays small.</summary>
    public const int NumSlots = 4;

    private const int ReadAhead = 2;

    private readonly StateStore _store;
    private readonly SlotArena _arena;
    private readonly Slot[] _slots = new Slot[NumSlots];
    private readonly TileTransfer[] _transfers = new TileTransfer[NumSlots];
    private readonly bool[] _isInFlight = new bool[NumSlots];
    private int _position;
    private bool _isDisposed;

    /// <param name="store">The store; borrowed, and disposed after this.</param>
    /// <param name="limit">What the memory is reserved from; null: unlimited.</param>
    public TileRing(StateStore store, MemoryLimit? limit = null)
    {
        _store = store;
        _arena = new SlotArena(NumSlots, store.Geometry.MaxTileBytes, "tile slots", limit);
        try
        {
            _arena.RegisterWith(store.Device);
        }
        catch
        {
            _arena.Dispose();
            throw;
        }

        for (int i = 0; i < NumSlots; i++)
        {
            _slots[i] = _arena.Rent();
            _transfers[i] = new TileTransfer(store);
        }
    }

    /// <summary>The store.</summary>
    public StateStore Store => _store;

    /// <summary>Reads a unit's tiles one after the other, has them changed, and writes them back. The last writes are still in flight when it returns: <see cref="Drain"/>.</summary>
    /// <param name="unit">Index of the unit.</param>
    /// <param name="work">Changes each tile.</param>
    public void Update(int unit, ITileWork work)
    {
        int count = _store.Geometry.TileCount(unit);
        int first = _position;
        try
        {
            for (int i = 0; i < Math.Min(ReadAhead, count); i++)
            {
                StartRead(first + i, new TileId(unit, i));
            }

            for (int i = 0; i < count; i++)
            {
                Settle(first + i);
                work.OnTile(new TileId(unit, i), _slots[(first + i) % NumSlots].Address);
                StartWrite(first + i, new TileId(unit, i));
                if (i + ReadAhead < count)
                {
                    StartRead(first + i + ReadAhead, new TileId(unit, i + ReadAhead));
                }
            }
        }
        catch
        {
            Abandon();
            throw;
        }

        _position = (first + count) % NumSlots;
    }

    /// <summary>A slot to fill with the next tile that is written; waits until one is free.</summary>
    /// <returns>Its first byte; the bytes are whatever was there.</returns>
    public byte* BeginWrite()
    {
        Settle(_position);
        return _slots[_position].Address;
    }

    /// <summary>Starts writing the slot of <see cref="BeginWrite"/>.</summary>
    /// <param name="tile">The tile that it holds, whole.</param>
    public void EndWrite(TileId tile)
    {
        StartWrite(_position, tile);
        _position = (_position + 1) % NumSlots;
    }

    /// <summary>Waits for everything in flight.</summary>
    public void Drain()
    {
        try
        {
            for (int i = 0; i < NumSlots; i++)
            {
                Settle(i);
            }
        }
        catch
        {
            Abandon();
            throw;
        }
    }

    /// <summary>Waits for what is in flight and frees the slots.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        Abandon();
        foreach (Slot slot in _slots)
        {
            _arena.Return(slot);
        }

        _arena.Dispose();
    }

    private void StartRead(int position, TileId tile)
    {
        Settle(position);
        int index = position % NumSlots;
        _transfers[index].PrepareRead(tile, PartSet.All, _slots[index].Address, IoPriority.Normal);
        Start(index);
    }

    private void StartWrite(int position, TileId tile)
    {
        int index = position % NumSlots;
        _transfers[index].PrepareWrite(tile, _slots[index].Address, IoPriority.Background);
        Start(index);
    }

    private void Start(int index)
    {
        _store.Start(_transfers[index]);
        _isInFlight[index] = true;
    }

    /// <summary>Waits for a slot's transfer, if it has one.</summary>
    private void Settle(int position)
    {
        int index = position % NumSlots;
        if (_isInFlight[index])
        {
            _isInFlight[index] = false;
            _transfers[index].Wait();
        }
    }

    /// <summary>Waits for everything in flight, whatever becomes of it: an error is on its way up already, or nobody needs the bytes.</summary>
    private void Abandon()
    {
        for (int i = 0; i < NumSlots; i++)
        {
            if (_isInFlight[i])
            {
                _transfers[i].Cancel();
            }
        }

        for (int i = 0; i < NumSlots; i++)
        {
            try
            {
                Settle(i);
            }
            catch (Exception error) when (error is Profiles.OffloadException or OperationCanceledException)
            {
                // Of the caller's transfers none is needed any more; a write that failed is kept by the store, which then refuses to commit.
            }
        }
    }
}
