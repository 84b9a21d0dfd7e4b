using System.Runtime.ExceptionServices;
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
    private readonly SlotArena _arena;
    private readonly Place[] _places;
    private int _current = -1; // The place that the caller uses.
    private int _oldest; // The place whose transfer was started first.
    private int _numStarted;
    private bool _isDisposed;

    /// <param name="store">Where from; not disposed.</param>
    /// <param name="tiles">What to read, in order; drawn from as reading goes on.</param>
    /// <param name="lookahead">
    /// Tiles that are read ahead of the current one, each with memory of the store's largest tile. At least 1; 2 for the device's full speed, which
    /// then reads one while another one's checksums are computed.
    /// </param>
    /// <param name="limit">What the memory is reserved from; null: unlimited.</param>
    /// <exception cref="MemoryLimitException">The limit, or the system, has no such room.</exception>
    public TileReader(StateStore store, IEnumerable<TileRead> tiles, int lookahead = 2, MemoryLimit? limit = null)
        : this(store, tiles, lookahead, limit, table: null)
    {
    }

    internal TileReader(StateStore store, IEnumerable<TileRead> tiles, int lookahead, MemoryLimit? limit, TileTable? table)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(tiles);
        ArgumentOutOfRangeException.ThrowIfLessThan(lookahead, 1);
        _store = store;
        Table = table;
        _tiles = tiles.GetEnumerator();
        SlotArena? arena = null;
        try
        {
            arena = new SlotArena(lookahead + 1, store.Geometry.MaxTileBytes, "tiles read ahead", limit);
            arena.RegisterWith(store.Device);
        }
        catch
        {
            arena?.Dispose();
            _tiles.Dispose();
            throw;
        }

        _arena = arena;
        _places = new Place[lookahead + 1];
        for (int index = 0; index < _places.Length; index++)
        {
            _places[index] = new Place(new TileTransfer(store), _arena.Rent());
        }
    }

    /// <summary>The current tile.</summary>
    public TileId Tile => Current.Tile;

    /// <summary>What it holds and where its parts lie.</summary>
    public TileShape Shape => _store.Geometry.Tile(Tile);

    /// <summary>The current tile's memory: of the reader, and overwritten by the next <see cref="MoveNext"/>. Parts that were not asked for are undefined.</summary>
    public byte* Address => Current.Memory.Address;

    /// <summary>Whether a current tile was read, be it with an error, which is about it then. False: there is none, or the store refused to read it.</summary>
    internal bool HasTile => _current >= 0 && _places[_current].Refusal is null;

    /// <summary>Of the current tile: parts whose checksum does not match.</summary>
    internal PartSet DamagedParts => Current.Transfer.DamagedParts;

    private TileTable? Table { get; }

    private Place Current => _current >= 0 ? _places[_current] : throw new InvalidOperationException("there is no current tile");

    /// <summary>Makes the next tile the current one; blocks until it is there. After an error of one tile the next call goes on behind it.</summary>
    /// <param name="cancellationToken">Cancels the read.</param>
    /// <returns>False: there are no more.</returns>
    /// <exception cref="StoreMismatchException">A checksum does not match.</exception>
    /// <exception cref="StorageException">The device reported an error.</exception>
    /// <exception cref="ArgumentException">The store has no such tile, or the tile none of the parts.</exception>
    /// <exception cref="InvalidOperationException">The tile was being written, or never had been, when its turn to be read ahead came.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public bool MoveNext(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        _current = -1;
        while (_numStarted < _places.Length && _tiles.MoveNext())
        {
            Start(_places[(_oldest + _numStarted) % _places.Length], _tiles.Current);
            _numStarted++;
        }

        if (_numStarted == 0)
        {
            return false;
        }

        _current = _oldest;
        _oldest = (_oldest + 1) % _places.Length;
        _numStarted--;
        if (Current.Refusal is { } refusal)
        {
            ExceptionDispatchInfo.Throw(refusal);
        }

        Current.Transfer.Wait(cancellationToken);
        return true;
    }

    /// <summary>Cancels what is in flight, waits for it and frees the memory; idempotent.</summary>
    public void Dispose()
    {
        for (int index = 0; index < _numStarted; index++)
        {
            _places[(_oldest + index) % _places.Length].Transfer.Cancel();
        }

        for (; _numStarted > 0; _numStarted--)
        {
            if (_places[_oldest].Refusal is null)
            {
                _places[_oldest].Transfer.WaitQuietly();
            }

            _oldest = (_oldest + 1) % _places.Length;
        }

        if (!_isDisposed)
        {
            _isDisposed = true;
            Array.ForEach(_places, place => _arena.Return(place.Memory));
            _arena.Dispose();
            _tiles.Dispose();
        }
    }

    /// <summary>Starts a read ahead. What the store refuses is told when the tile's turn comes, as is an error of the read.</summary>
    private void Start(Place place, TileRead read)
    {
        place.Tile = read.Tile;
        place.Refusal = null;
        try
        {
            place.Transfer.PrepareRead(read.Tile, read.Parts, place.Memory.Address, IoPriority.Normal, Table);
            _store.Start(place.Transfer);
        }
        catch (Exception error)
        {
            place.Refusal = error;
        }
    }

    private sealed class Place(TileTransfer transfer, Slot memory)
    {
        public TileTransfer Transfer => transfer;

        public Slot Memory => memory;

        public TileId Tile { get; set; }

        /// <summary>Why the transfer was not started; null: it was.</summary>
        public Exception? Refusal { get; set; }
    }
}
