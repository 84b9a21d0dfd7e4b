using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>
/// The states of all units on a device, in tiles: read and written asynchronously, changed as a whole by <see cref="Commit"/>. What was written since
/// the last commit is gone after a crash, what was committed is not. The format and its promises: docs/state-store.md. Any thread may start
/// transfers; commit, rollback, verification and disposal are for one thread, and no transfer may be started during them, but for reads during a
/// commit.
/// </summary>
public sealed partial class StateStore : IDisposable
{
    private readonly object _gate = new();
    private readonly StoreFormat.Opened _format;
    private readonly CommitSlots _slots;
    private readonly Action<string>? _warn;
    private readonly TileTable _committed;
    private readonly TileTable _working;
    private readonly bool[] _isWritten; // Since the last commit, whole.
    private readonly int[] _activity; // -1: being written; else how many reads are in flight.
    private long _sequence;
    private int _numInFlight;
    private int _numWritesInFlight;
    private bool _isCommitting;
    private bool _isMarking;
    private bool _isMarked; // Single generation: the device says that tiles are being overwritten.
    private bool _isDisposed;
    private Exception? _writeError;
    private Exception? _failure;

    private StateStore(IBlockDevice device, StoreFormat.Opened format, StoreOptions options)
    {
        if (options.BlockBytes <= 0 || options.BlockBytes % NativeBuffer.AlignmentBytes != 0)
        {
            throw new ArgumentException($"block size: expected a multiple of {NativeBuffer.AlignmentBytes}, found {options.BlockBytes}", nameof(options));
        }

        Device = device;
        _format = format;
        _warn = options.Warn;
        Geometry = format.Geometry;
        BlockBytes = options.BlockBytes;
        _slots = new CommitSlots(device, Geometry, format.Preamble.StoreId);
        _committed = new TileTable(Geometry);
        _working = new TileTable(Geometry);
        _isWritten = new bool[Geometry.NumTiles];
        _activity = new int[Geometry.NumTiles];
        Checksums = new ChecksumThreads(ChecksumThreads.DefaultThreads);
    }

    /// <summary>What it holds.</summary>
    public StoreDescription Description => Geometry.Description;

    /// <summary>Where it lies.</summary>
    public StoreGeometry Geometry { get; }

    /// <summary>The last commit, which a crash now would lead back to; null: nothing was committed yet, the store is half made.</summary>
    public StoreCommit? LastCommit { get; private set; }

    /// <summary>The device; the store's own. For its path and its traffic.</summary>
    public IBlockDevice Device { get; }

    /// <summary>Its name, in its first block and every record.</summary>
    internal UInt128 StoreId => _format.Preamble.StoreId;

    /// <summary>Called once, when the first commit is durable and before that is told; a part of the commit. Null: nothing.</summary>
    internal Action? AfterFirstCommit { get; set; }

    /// <summary>Writes damaged labels of the store's files anew, and names them; a part of a repair. Null: there are none.</summary>
    internal Func<IReadOnlyList<string>>? MendFiles { get; set; }

    /// <summary>Size of the requests into which transfers are cut.</summary>
    internal int BlockBytes { get; }

    internal ChecksumThreads Checksums { get; }

    /// <summary>Makes a store. Nothing is durable before the first commit, before which every tile must be written.</summary>
    /// <param name="device">At least as large as the geometry says; the store's from here on, also if this fails.</param>
    /// <param name="description">What it will hold.</param>
    /// <param name="options">How it works, or null.</param>
    /// <exception cref="StorageException">The device is too small, or reported an error.</exception>
    /// <exception cref="ArgumentException">No store can have this description.</exception>
    public static StateStore Create(IBlockDevice device, StoreDescription description, StoreOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(description);
        return Create(device, description, options ?? new StoreOptions(), StoreFormat.NewId());
    }

    /// <summary>Opens a store at its last commit.</summary>
    /// <param name="device">With a store on it; the store's from here on, also if this fails.</param>
    /// <param name="options">How it works, or null.</param>
    /// <exception cref="StoreMismatchException">No store is there, or one of another version, or it is damaged, or its states are lost.</exception>
    /// <exception cref="StorageException">The device reported an error.</exception>
    public static StateStore Open(IBlockDevice device, StoreOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new StoreOptions();
        StateStore store = OpenUnrepaired(device, options);
        try
        {
            if (options.FallBack && store.LastCommit is not null)
            {
                store.FallBackAtOpen();
            }

            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Makes what was written since the last commit, and the run state, the new commit; tiles that were not written stay as they were. Blocks until
    /// that is durable. If a flush or the record fails, the store has failed for good: opened again, it is at this commit or at the one before.
    /// </summary>
    /// <param name="step">The step after which the states are as they are.</param>
    /// <param name="runState">What the run needs to go on; at most 64 KiB.</param>
    /// <exception cref="InvalidOperationException">A write is in flight, or the first commit is to be made and a tile was not written.</exception>
    /// <exception cref="StorageException">The device reported an error, now or when a tile was written.</exception>
    public StoreCommit Commit(long step, ReadOnlySpan<byte> runState)
    {
        if (runState.Length > CommitRecord.MaxRunStateBytes)
        {
            throw new ArgumentException($"expected at most {CommitRecord.MaxRunStateBytes} bytes, found {runState.Length}", nameof(runState));
        }

        var commit = new StoreCommit(_sequence + 1, step, runState.ToArray());
        BeginCommit();
        try
        {
            Device.Flush();
            _slots.Write(commit, isInPlace: false, _working);
            Device.Flush();
            if (LastCommit is null)
            {
                AfterFirstCommit?.Invoke();
            }
        }
        catch (Exception error)
        {
            EndCommit(error, commit);
            throw;
        }

        EndCommit(null, commit);
        return commit;
    }

    /// <summary>
    /// Forgets what was written since the last commit, and the error of a write. With a single generation that is possible only as long as nothing
    /// was written.
    /// </summary>
    /// <exception cref="InvalidOperationException">A transfer is in flight.</exception>
    /// <exception cref="StoreMismatchException">A single generation was written to: its states are lost.</exception>
    /// <exception cref="StorageException">The store has failed before.</exception>
    public void Rollback()
    {
        lock (_gate)
        {
            ThrowIfUnusableLocked();
            if (_numInFlight > 0 || _isCommitting)
            {
                throw new InvalidOperationException("a transfer or a commit is in flight");
            }

            if (_isMarked)
            {
                throw InPlace(LastCommit!.Step);
            }

            _committed.CopyTo(_working);
            Array.Clear(_isWritten);
            _writeError = null;
        }
    }

    /// <summary>Waits for what is in flight, then disposes the device. What was not committed is lost.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            while (_numInFlight > 0)
            {
                Monitor.Wait(_gate);
            }
        }

        Checksums.Dispose();
        Device.Dispose();
        _slots.Dispose();
    }

    /// <summary>Makes a store with a given name.</summary>
    internal static StateStore Create(IBlockDevice device, StoreDescription description, StoreOptions options, UInt128 storeId)
    {
        try
        {
            return new StateStore(device, StoreFormat.WriteNew(device, description, storeId), options);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Where the tiles of the last commit lie.</summary>
    /// <exception cref="InvalidOperationException">There is none, or what it named is overwritten in place.</exception>
    internal TileTable CommittedTable() => LastCommit is not null && Description.Generations == 2
        ? _committed
        : throw new InvalidOperationException("the store keeps no content of its last commit beside the newest one");

    private void BeginCommit()
    {
        lock (_gate)
        {
            ThrowIfUnusableLocked();
            if (_numWritesInFlight > 0 || _isCommitting)
            {
                throw new InvalidOperationException("a write or a commit is in flight");
            }

            if (_writeError is not null)
            {
                throw AfterWriteError(_writeError);
            }

            int missing = LastCommit is null ? Array.IndexOf(_isWritten, false) : -1;
            if (missing >= 0)
            {
                throw new InvalidOperationException($"tile {missing} of {Geometry.NumTiles} was not written before the first commit");
            }

            _isCommitting = true;
        }
    }

    private void EndCommit(Exception? error, StoreCommit commit)
    {
        lock (_gate)
        {
            _isCommitting = false;
            _failure ??= error;
            if (error is null)
            {
                _working.CopyTo(_committed);
                Array.Clear(_isWritten);
                _isMarked = false;
                _sequence = commit.Sequence;
                LastCommit = commit;
            }
        }
    }

    private void ThrowIfUnusableLocked()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_failure is not null)
        {
            throw new StorageException(
                Device.Path, "use the store", $"it failed before, for good: {_failure.Message}", "Check the drive. With two generations the store opens again at its last commit.", _failure);
        }
    }

    private StorageException AfterWriteError(Exception error) =>
        new(Device.Path, "go on in this step", $"a tile was not written: {error.Message}", "With two generations the states of the last commit are still there.", error);

    private StoreMismatchException InPlace(long step) => new(
        Device.Path,
        $"interrupted inside the step after step {step} with a single generation: tiles were overwritten in place, the states are lost",
        "Start anew or from an exported model; two generations (the default) survive this.");
}
