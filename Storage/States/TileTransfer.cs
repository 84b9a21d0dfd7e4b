using System.Runtime.ExceptionServices;
using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>
/// Reads or writes one tile of a store. The object belongs to its caller, who prepares it, gives it to <see cref="StateStore.Start"/>, waits, and
/// then may use it again: in steady state nothing is allocated. From start to completion the memory is borrowed and must stay and, for a write,
/// stay as it is. One thread at a time; <see cref="Cancel"/> and <see cref="IsCompleted"/> from any.
/// </summary>
public sealed unsafe partial class TileTransfer
{
    private readonly object _gate = new();
    private readonly StateStore _store;
    private readonly ulong[] _hashes = new ulong[StoreDescription.MaxParts];
    private Block[] _blocks = [];
    private PartChecksum[] _checksums = [];
    private int _numBlocks;
    private int _numArrived; // Of the blocks, from the first on without a gap.
    private volatile Stage _stage;
    private byte* _address;
    private int _remaining;
    private Exception? _error;
    private bool _isCancelled;

    /// <param name="store">The store that it will be given to.</param>
    public TileTransfer(StateStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
    }

    private enum Stage
    {
        Idle,
        Prepared,
        InFlight,
        Completed,
    }

    /// <summary>The tile prepared last.</summary>
    public TileId Tile { get; private set; }

    /// <summary>Whether it is complete, with or without an error, and only waits to be waited for. Never blocks.</summary>
    public bool IsCompleted => _stage == Stage.Completed;

    /// <summary>The store that it is for.</summary>
    internal StateStore Store => _store;

    internal BlockOperation Operation { get; private set; }

    /// <summary>What is transferred; of a write, decided by the store.</summary>
    internal PartSet Parts { get; private set; }

    /// <summary>Which copy of the mutable parts; decided by the store.</summary>
    internal int Copy { get; private set; }

    /// <summary>Where a read's tiles lie, if not as in the store's own table.</summary>
    internal TileTable? Table { get; private set; }

    /// <summary>By part: as expected of a read, as found of a write.</summary>
    internal Span<ulong> Hashes => _hashes;

    /// <summary>By part, of those that are transferred; longer if it was used for units of more parts.</summary>
    internal ReadOnlySpan<PartChecksum> Checksums => _checksums;

    /// <summary>The first error; null: none so far.</summary>
    internal Exception? Error => Volatile.Read(ref _error);

    /// <summary>After a read: those parts whose checksum does not match.</summary>
    internal PartSet DamagedParts { get; private set; }

    /// <summary>Its place among those that wait, for the device and then for a checksum thread.</summary>
    public IoPriority Priority { get; private set; }

    /// <summary>Says what to read: the newest content, committed or not.</summary>
    /// <param name="tile">The tile.</param>
    /// <param name="parts">Its parts that are wanted; others, and those that the unit does not have, are left out.</param>
    /// <param name="tileAddress">Memory of the whole tile, aligned to 4096: each part lands at its offset in the tile, padding included. Borrowed.</param>
    /// <param name="priority">Place among those that wait.</param>
    /// <exception cref="ArgumentException">There is no such tile, or none of the parts, or the memory is not aligned.</exception>
    /// <exception cref="InvalidOperationException">It is in flight.</exception>
    public void PrepareRead(TileId tile, PartSet parts, byte* tileAddress, IoPriority priority) =>
        Prepare(BlockOperation.Read, tile, parts, tileAddress, priority, table: null);

    /// <summary>Says what to read: the content of the last commit, whatever was written since.</summary>
    /// <inheritdoc cref="PrepareRead(TileId, PartSet, byte*, IoPriority)"/>
    public void PrepareReadCommitted(TileId tile, PartSet parts, byte* tileAddress, IoPriority priority) =>
        Prepare(BlockOperation.Read, tile, parts, tileAddress, priority, _store.CommittedTable());

    /// <summary>Says what to write: the tile's mutable parts; before the first commit all parts.</summary>
    /// <param name="tile">The tile.</param>
    /// <param name="tileAddress">Memory of the whole tile, aligned to 4096, in its layout. Borrowed. Padding is written as it is.</param>
    /// <param name="priority">Place among those that wait.</param>
    /// <exception cref="ArgumentException">There is no such tile, or the memory is not aligned.</exception>
    /// <exception cref="InvalidOperationException">It is in flight.</exception>
    public void PrepareWrite(TileId tile, byte* tileAddress, IoPriority priority) =>
        Prepare(BlockOperation.Write, tile, PartSet.All, tileAddress, priority, table: null);

    /// <summary>
    /// Waits until it is complete; it may then be prepared again. If the token asks for it, cancels first, and still waits: the memory is
    /// borrowed until then. A transfer that was done in spite of it counts as done.
    /// </summary>
    /// <param name="cancellationToken">Cancels the transfer.</param>
    /// <exception cref="StoreMismatchException">A checksum does not match: names store, unit, tile, part and offset.</exception>
    /// <exception cref="StorageException">The device reported an error.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">It was not started.</exception>
    public void Wait(CancellationToken cancellationToken = default)
    {
        using (cancellationToken.UnsafeRegister(static transfer => ((TileTransfer)transfer!).Cancel(), this))
        {
            WaitQuietly();
        }

        if (_error is { } error)
        {
            ExceptionDispatchInfo.Throw(error);
        }
    }

    /// <summary>
    /// Asks that what has not begun be left; it completes soon after, with an <see cref="OperationCanceledException"/> if something was left. A write
    /// that was cancelled leaves its tile torn, as one that failed: see <see cref="StateStore.Rollback"/>. Nothing happens if it is not in flight.
    /// </summary>
    public void Cancel()
    {
        lock (_gate)
        {
            if (_stage == Stage.InFlight)
            {
                Volatile.Write(ref _isCancelled, true);
            }
        }
    }

    /// <summary>Waits, and leaves the error for others to look at.</summary>
    internal void WaitQuietly()
    {
        lock (_gate)
        {
            if (_stage is Stage.Idle or Stage.Prepared)
            {
                throw new InvalidOperationException("the transfer was not started");
            }

            while (_stage == Stage.InFlight)
            {
                Monitor.Wait(_gate);
            }

            _stage = Stage.Idle;
        }
    }

    /// <summary>Says what to read, from where a table says.</summary>
    internal void PrepareRead(TileId tile, PartSet parts, byte* tileAddress, IoPriority priority, TileTable? table) =>
        Prepare(BlockOperation.Read, tile, parts, tileAddress, priority, table);

    /// <summary>The store takes it; from here on it will complete.</summary>
    /// <exception cref="InvalidOperationException">It is not prepared.</exception>
    internal void Take()
    {
        lock (_gate)
        {
            if (_stage != Stage.Prepared)
            {
                throw new InvalidOperationException("the transfer was not prepared, or is in flight");
            }

            _stage = Stage.InFlight;
        }
    }

    /// <summary>The store does not take it after all.</summary>
    internal void GiveBack()
    {
        lock (_gate)
        {
            _stage = Stage.Prepared;
            _isCancelled = false;
        }
    }

    /// <summary>Cuts the tile into requests and submits them. No error comes out: it is kept for the one who waits.</summary>
    internal void Submit(PartSet parts, int copy)
    {
        Parts = parts;
        Copy = copy;
        _numBlocks = 0;
        _numArrived = 0;
        int numBlocks = 0;
        try
        {
            PrepareChecksums();
            numBlocks = Cut();
        }
        catch (Exception error)
        {
            Fail(error); // Nothing of it is submitted; the store counts it, so it must complete.
        }

        _numBlocks = numBlocks;
        _remaining = numBlocks + 1; // One more, so that it cannot complete while it is being submitted.
        if (Operation == BlockOperation.Write && numBlocks > 0)
        {
            lock (_gate)
            {
                ExtendLocked(long.MaxValue);
            }
        }

        int numSubmitted = 0;
        try
        {
            while (numSubmitted < numBlocks)
            {
                _store.Device.Submit(_blocks[numSubmitted]);
                numSubmitted++;
            }
        }
        catch (Exception error)
        {
            Fail(error);
        }

        CountDown(numBlocks - numSubmitted + 1);
    }

    /// <summary>The last that happens to it: whoever waits goes on.</summary>
    internal void Complete()
    {
        lock (_gate)
        {
            _stage = Stage.Completed;
            Monitor.PulseAll(_gate);
        }
    }

    private void Prepare(BlockOperation operation, TileId tile, PartSet parts, byte* tileAddress, IoPriority priority, TileTable? table)
    {
        _ = _store.Geometry.TileIndex(tile);
        PartSet present = parts.And(TileLayout.AllParts(_store.Description.Units[tile.Unit]));
        if (present.IsEmpty)
        {
            throw new ArgumentException("the unit has none of these parts", nameof(parts));
        }

        if ((long)tileAddress % NativeBuffer.AlignmentBytes != 0 || tileAddress is null)
        {
            throw new ArgumentException($"expected a multiple of {NativeBuffer.AlignmentBytes}, found {(long)tileAddress:x}", nameof(tileAddress));
        }

        lock (_gate)
        {
            if (_stage == Stage.InFlight)
            {
                throw new InvalidOperationException("the transfer is in flight");
            }

            _stage = Stage.Prepared;
        }

        Operation = operation;
        Tile = tile;
        Parts = present;
        Table = table;
        DamagedParts = default;
        _address = tileAddress;
        Priority = priority;
        _error = null;
        _isCancelled = false;
    }

    private void CountDown(int count)
    {
        if (Interlocked.Add(ref _remaining, -count) != 0)
        {
            return;
        }

        if (Error is null)
        {
            Conclude();
        }

        _store.Finish(this);
    }

    /// <summary>Keeps the first error; a real one replaces a cancellation.</summary>
    private void Fail(Exception error)
    {
        Exception? first = Interlocked.CompareExchange(ref _error, error, null);
        if (first is OperationCanceledException && error is not OperationCanceledException)
        {
            Interlocked.CompareExchange(ref _error, error, first);
        }
    }
}
