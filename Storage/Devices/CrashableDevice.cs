using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>
/// A device in memory that knows what a flush has made durable and what not, and can say what might be left of it after a crash. For
/// model-based tests: a history runs, is cut short by <see cref="CrashAt"/> or simply stops, and then every <see cref="Crash"/> is a
/// possible world. Copies what is written: it allocates.
/// </summary>
public sealed unsafe class CrashableDevice : IBlockDevice
{
    /// <summary>What a disk writes whole or not at all: 512 bytes, the smallest sector there is.</summary>
    public const int SectorBytes = 512;

    private readonly MemoryDevice _current;
    private readonly NativeBuffer _durable;
    private readonly object _gate = new();
    private readonly List<UncertainWrite> _unflushed = []; // Completed, in the order of completion.
    private readonly List<(BlockRequest Request, UncertainWrite? Write)> _inFlight = [];
    private readonly Random? _completionOrder;
    private readonly Thread? _thread;
    private UncertainWrite? _cutWrite;
    private long _numOperations;
    private long _crashIndex = long.MaxValue;
    private long _bytesRead;
    private long _bytesWritten;
    private long _flushes;
    private int _numCompleting;
    private bool _isDisposed;

    /// <param name="contents">What it holds at first, durable; its size, alignment and name; owned from now on.</param>
    /// <param name="completionSeed">
    /// Null: a request completes before <see cref="Submit"/> returns, so nothing is ever in flight and a history is reproducible. A seed: requests
    /// complete on a thread of the device, picked at random among those in flight, so a flush may come while writes are in flight.
    /// </param>
    public CrashableDevice(MemoryDevice contents, int? completionSeed = null)
    {
        ArgumentNullException.ThrowIfNull(contents);
        _current = contents;
        _durable = new NativeBuffer(contents.SizeBytes);
        Buffer.MemoryCopy(contents.Contents.Address, _durable.Address, SizeBytes, SizeBytes);
        if (completionSeed is { } seed)
        {
            _completionOrder = new Random(seed);
            _thread = new Thread(CompleteInAnyOrder) { Name = "offload-crashable", IsBackground = true };
            _thread.Start();
        }
    }

    /// <inheritdoc/>
    public string Path => _current.Path;

    /// <inheritdoc/>
    public long SizeBytes => _current.SizeBytes;

    /// <inheritdoc/>
    public int AlignmentBytes => _current.AlignmentBytes;

    /// <inheritdoc/>
    public DeviceTraffic Traffic
    {
        get
        {
            lock (_gate)
            {
                return new DeviceTraffic(_bytesRead, _bytesWritten, _flushes);
            }
        }
    }

    /// <summary>Reads, writes and flushes submitted so far: the index that the next one gets.</summary>
    public long NumOperations
    {
        get
        {
            lock (_gate)
            {
                return _numOperations;
            }
        }
    }

    /// <summary>Whether the operation of <see cref="CrashAt"/> has come: every later one fails.</summary>
    public bool HasCrashed
    {
        get
        {
            lock (_gate)
            {
                return HasCrashedLocked;
            }
        }
    }

    private bool HasCrashedLocked => _numOperations > _crashIndex;

    /// <summary>From that operation on all fail, as if the machine had lost its power. A write that is cut off so may have happened in part.</summary>
    /// <param name="index">Counted from 0 in the order of submission, reads, writes and flushes together.</param>
    public void CrashAt(long index)
    {
        lock (_gate)
        {
            _crashIndex = index;
        }
    }

    /// <summary>
    /// What the disk may hold after a crash at this moment: all that was flushed, and of each write since then (in flight ones, and the one cut
    /// off, too) everything, nothing, or any of its sectors, in any order. Changes nothing here; ask again for another outcome.
    /// </summary>
    /// <param name="random">Chooses among the outcomes.</param>
    /// <returns>A new device of the same size, alignment and name; the caller's.</returns>
    public MemoryDevice Crash(Random random)
    {
        ArgumentNullException.ThrowIfNull(random);
        lock (_gate)
        {
            List<UncertainWrite> writes = [.. _unflushed, .. _inFlight.Where(item => item.Write is not null).Select(item => item.Write!)];
            if (_cutWrite is not null)
            {
                writes.Add(_cutWrite);
            }

            var survivor = new MemoryDevice(SizeBytes, AlignmentBytes, Path);
            byte* contents = (byte*)survivor.Contents.Address;
            Buffer.MemoryCopy(_durable.Address, contents, SizeBytes, SizeBytes);
            CrashOutcome.Apply(writes, contents, random);
            return survivor;
        }
    }

    /// <inheritdoc/>
    public void Submit(BlockRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        DeviceRange.Check(request, SizeBytes, AlignmentBytes);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            UncertainWrite? write = null;
            if (request.Operation == BlockOperation.Write && !HasCrashedLocked)
            {
                write = new UncertainWrite(request.OffsetBytes, new Span<byte>(request.Address, request.SizeBytes).ToArray());
            }

            _numOperations++;
            if (!HasCrashedLocked)
            {
                _inFlight.Add((request, write));
            }
            else
            {
                // Cut off at its very start: it may have reached the disk, wholly or in part. Later ones, write is null, never began.
                _cutWrite ??= write;
                _inFlight.Add((request, null));
            }

            if (_thread is not null)
            {
                Monitor.PulseAll(_gate);
                return;
            }
        }

        CompleteOne(request);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _numOperations++;
            if (HasCrashedLocked)
            {
                throw PowerLost("flush");
            }

            CrashOutcome.ApplyAll(_unflushed, (byte*)_durable.Address);
            _unflushed.Clear();
            _flushes++;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            Monitor.PulseAll(_gate);
            while (_inFlight.Count + _numCompleting > 0)
            {
                Monitor.Wait(_gate);
            }
        }

        _thread?.Join();
        _durable.Dispose();
        _current.Dispose();
    }

    private StorageException PowerLost(string operation) => new(Path, operation, "the power was lost (simulated crash)");

    /// <summary>Carries a request out, takes it from those in flight and tells its owner.</summary>
    private void CompleteOne(BlockRequest request)
    {
        Exception? error = null;
        lock (_gate)
        {
            int index = _inFlight.FindIndex(item => ReferenceEquals(item.Request, request));
            UncertainWrite? write = _inFlight[index].Write;
            if (HasCrashedLocked)
            {
                // What was in flight at the crash stays uncertain.
                _unflushed.AddRange(write is null ? [] : [write]);
                error = PowerLost(Files.IoErrors.Transfer(
                    request.Operation == BlockOperation.Read ? "read" : "write", request.SizeBytes, request.OffsetBytes));
            }
            else if (request.IsCancelled)
            {
                error = new OperationCanceledException();
            }
            else if (write is not null)
            {
                CrashOutcome.ApplyAll([write], (byte*)_current.Contents.Address);
                _unflushed.Add(write);
                _bytesWritten += request.SizeBytes;
            }
            else
            {
                Buffer.MemoryCopy((byte*)_current.Contents.Address + request.OffsetBytes, request.Address, request.SizeBytes, request.SizeBytes);
                _bytesRead += request.SizeBytes;
            }

            _inFlight.RemoveAt(index);
            _numCompleting++;
        }

        request.Complete(error);
        lock (_gate)
        {
            _numCompleting--;
            Monitor.PulseAll(_gate);
        }
    }

    private void CompleteInAnyOrder()
    {
        while (true)
        {
            BlockRequest request;
            lock (_gate)
            {
                while (_inFlight.Count == 0 && !_isDisposed)
                {
                    Monitor.Wait(_gate);
                }

                if (_inFlight.Count == 0)
                {
                    return;
                }

                request = _inFlight[_completionOrder!.Next(_inFlight.Count)].Request;
            }

            CompleteOne(request);
        }
    }
}
