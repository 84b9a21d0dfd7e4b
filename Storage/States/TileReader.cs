using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>
/// Streams tiles of a store in a given order: while one is used, the next ones are read. Memory is bounded and allocated once. One thread at a
/// time; dispose it before the store.
/// </summary>
public sealed unsafe class TileReader : IDisposable
{
    private readonly StateStore _store;
    private readonly IEnumerator<TileRead> _tiles;
    private readonly Slot[] _slots;
    private int _current = -1; // The slot that the caller uses.
    private int _oldest; // The slot whose transfer was started first.
    private int _numStarted;

    /// <param name="store">Where from; not disposed.</param>
    /// <param name="tiles">What to read, in order; drawn from as reading goes on.</param>
    /// <param name="lookahead">Tiles that are read ahead of the current one, each with memory of the store's largest tile; at least 1.</param>
    public TileReader(StateStore store, IEnumerable<TileRead> tiles, int lookahead = 2)
        : this(store, tiles, lookahead, table: null)
    {
    }

    internal TileReader(StateStore store, IEnumerable<TileRead> tiles, int lookahead, TileTable? table)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(tiles);
        ArgumentOutOfRangeException.ThrowIfLessThan(lookahead, 1);
        _store = store;
        _tiles = tiles.GetEnumerator();
        _slots = new Slot[lookahead + 1];
        for (int index = 0; index < _slots.Length; index++)
        {
            _slots[index] = new Slot(new TileTransfer(store), new NativeBuffer(store.Geometry.MaxTileBytes));
        }

        Table = table;
    }

    /// <summary>The current tile.</summary>
    public TileId Tile => Current.Transfer.Tile;

    /// <summary>What it holds and where its parts lie.</summary>
    public TileShape Shape => _store.Geometry.Tile(Tile);

    /// <summary>The current tile's memory: of the reader, and overwritten by the next <see cref="MoveNext"/>. Parts that were not asked for are undefined.</summary>
    public byte* Address => (byte*)Current.Buffer.Address;

    /// <summary>Whether there is a current tile; after an error, the one that it is about.</summary>
    internal bool HasTile => _current >= 0;

    /// <summary>Of the current tile: parts whose checksum does not match.</summary>
    internal PartSet DamagedParts => Current.Transfer.DamagedParts;

    private TileTable? Table { get; }

    private Slot Current => _current >= 0 ? _slots[_current] : throw new InvalidOperationException("there is no current tile");

    /// <summary>Makes the next tile the current one; blocks until it is there. After an error of one tile the next call goes on behind it.</summary>
    /// <param name="cancellationToken">Cancels the read.</param>
    /// <returns>False: there are no more.</returns>
    /// <exception cref="StoreMismatchException">A checksum does not match.</exception>
    /// <exception cref="StorageException">The device reported an error.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public bool MoveNext(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _current = -1;
        while (_numStarted < _slots.Length && _tiles.MoveNext())
        {
            Slot slot = _slots[(_oldest + _numStarted) % _slots.Length];
            slot.Transfer.PrepareRead(_tiles.Current.Tile, _tiles.Current.Parts, (byte*)slot.Buffer.Address, IoPriority.Normal, Table);
            _store.Start(slot.Transfer);
            _numStarted++;
        }

        if (_numStarted == 0)
        {
            return false;
        }

        _current = _oldest;
        _oldest = (_oldest + 1) % _slots.Length;
        _numStarted--;
        _slots[_current].Transfer.Wait(cancellationToken);
        return true;
    }

    /// <summary>Cancels what is in flight, waits for it and frees the memory.</summary>
    public void Dispose()
    {
        for (int index = 0; index < _numStarted; index++)
        {
            _slots[(_oldest + index) % _slots.Length].Transfer.Cancel();
        }

        for (; _numStarted > 0; _numStarted--)
        {
            _slots[_oldest].Transfer.WaitQuietly();
            _oldest = (_oldest + 1) % _slots.Length;
        }

        foreach (Slot slot in _slots)
        {
            slot.Buffer.Dispose();
        }

        _tiles.Dispose();
    }

    private readonly record struct Slot(TileTransfer Transfer, NativeBuffer Buffer);
}
