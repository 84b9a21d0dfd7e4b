using Offload.Storage.Files;
using Offload.Storage.Interop;
using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>
/// A device whose operations go wrong by plan, for tests. Operations are numbered from 0 in the order of their submission, so a test can
/// run once undisturbed, read <see cref="NumOperations"/>, and then fail each of them in turn. It owns the device under it, as every device
/// does that is laid over another, and disposes it. Only operations that are hit allocate.
/// </summary>
public sealed unsafe class FaultInjectingDevice : IBlockDevice, ITimedWork
{
    private readonly IBlockDevice _inner;
    private readonly FaultPlan _plan;
    private readonly object _gate = new();
    private readonly PriorityQueue<FaultyTransfer, long> _late = new();
    private readonly TimedThread? _thread;
    private long _numReads;
    private long _numWrites;
    private long _numFlushes;
    private long _numFaults;
    private long _acceptedBytes;
    private int _numInFlight;
    private bool _isFull;
    private bool _isDisposed;

    /// <param name="inner">The device under it; owned from now on.</param>
    /// <param name="plan">What goes wrong; not changed any more.</param>
    public FaultInjectingDevice(IBlockDevice inner, FaultPlan plan)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(plan);
        _inner = inner;
        _plan = plan;
        if (plan.HasDelays)
        {
            _thread = new TimedThread(this, "offload-late");
        }
    }

    /// <inheritdoc/>
    public string Path => _inner.Path;

    /// <inheritdoc/>
    public long SizeBytes => _inner.SizeBytes;

    /// <inheritdoc/>
    public int AlignmentBytes => _inner.AlignmentBytes;

    /// <summary>What the device under it has transferred.</summary>
    public DeviceTraffic Traffic => _inner.Traffic;

    /// <summary>Reads, writes and flushes submitted so far: the index that the next one gets.</summary>
    public long NumOperations
    {
        get
        {
            lock (_gate)
            {
                return _numReads + _numWrites + _numFlushes;
            }
        }
    }

    /// <summary>Reads submitted so far.</summary>
    public long NumReads => Interlocked.Read(ref _numReads);

    /// <summary>Writes submitted so far.</summary>
    public long NumWrites => Interlocked.Read(ref _numWrites);

    /// <summary>Flushes so far, failed ones too.</summary>
    public long NumFlushes => Interlocked.Read(ref _numFlushes);

    /// <summary>Operations that went wrong by plan so far.</summary>
    public long NumFaults => Interlocked.Read(ref _numFaults);

    /// <inheritdoc/>
    public void Submit(BlockRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        DeviceRange.Check(request, SizeBytes, AlignmentBytes);
        Fault? fault = Count(request.Operation == BlockOperation.Read ? FaultTarget.Read : FaultTarget.Write, request.SizeBytes);
        if (fault is null || request.IsCancelled)
        {
            _inner.Submit(request);
        }
        else if (fault.Kind == FaultKind.Error)
        {
            request.Complete(IoErrors.FromErrno(Path, Describe(request), fault.Errno));
        }
        else
        {
            SubmitFaulty(request, fault);
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        Fault? fault = Count(FaultTarget.Flush, sizeBytes: 0);
        if (fault?.Kind == FaultKind.Error)
        {
            throw IoErrors.FromErrno(Path, "flush", fault.Errno);
        }

        if (fault is not null)
        {
            Thread.Sleep(fault.Lateness);
        }

        _inner.Flush();
    }

    /// <summary>Waits for what is in flight, late ones too, and disposes the device under it.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
        }

        _inner.Dispose(); // Waits for what is in flight there; only what was done and is late is left.
        lock (_gate)
        {
            while (_numInFlight > 0)
            {
                Monitor.Wait(_gate);
            }
        }

        _thread?.Dispose();
    }

    /// <summary>The bytes were transferred, or not: what happens to the caller's request now.</summary>
    internal void Finish(FaultyTransfer transfer, Exception? error)
    {
        BlockRequest outer = transfer.Outer;
        transfer.WrongCopy?.Dispose();
        if (error is null && transfer.Fault.Kind == FaultKind.ShortTransfer)
        {
            error = ShortTransferError(outer, transfer.SizeBytes);
        }
        else if (error is null && transfer.Fault.Kind == FaultKind.FlippedBit && outer.Operation == BlockOperation.Read)
        {
            FlipBit(outer.Address, outer.SizeBytes, transfer.Fault.BitIndex);
        }

        if (transfer.Fault.Kind == FaultKind.Delay)
        {
            transfer.Error = error;
            lock (_gate)
            {
                _late.Enqueue(transfer, transfer.DueNanoseconds);
            }

            _thread!.Signal();
        }
        else
        {
            Report(outer, error);
        }
    }

    /// <inheritdoc/>
    long ITimedWork.RunDue(long nowNanoseconds)
    {
        while (true)
        {
            FaultyTransfer? transfer;
            lock (_gate)
            {
                if (!_late.TryPeek(out transfer, out long dueNanoseconds))
                {
                    return long.MaxValue;
                }

                if (dueNanoseconds > nowNanoseconds)
                {
                    return dueNanoseconds;
                }

                _late.Dequeue();
            }

            Report(transfer.Outer, transfer.Error);
        }
    }

    private static string Describe(BlockRequest request) =>
        IoErrors.Transfer(request.Operation == BlockOperation.Read ? "read" : "write", request.SizeBytes, request.OffsetBytes);

    private static void FlipBit(byte* address, int sizeBytes, long bitIndex)
    {
        long place = bitIndex % (sizeBytes * 8L);
        address[place >> 3] ^= (byte)(1 << (int)(place & 7));
    }

    private StorageException ShortTransferError(BlockRequest request, int transferredBytes) =>
        new(Path, Describe(request), $"{transferredBytes} of {request.SizeBytes} bytes were transferred");

    /// <summary>Numbers an operation and finds what happens to it; null: nothing.</summary>
    private Fault? Count(FaultTarget kind, int sizeBytes)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            long index = _numReads + _numWrites + _numFlushes;
            long indexOfKind = kind switch
            {
                FaultTarget.Read => _numReads++,
                FaultTarget.Write => _numWrites++,
                _ => _numFlushes++,
            };
            Fault? fault = _plan.Find(kind, index, indexOfKind);
            if (kind == FaultTarget.Flush && fault?.Kind is FaultKind.ShortTransfer or FaultKind.FlippedBit)
            {
                fault = null; // A flush transfers nothing.
            }

            if (kind == FaultTarget.Write && fault?.Kind != FaultKind.Error)
            {
                _isFull |= _acceptedBytes + sizeBytes > _plan.FullAfterBytes;
                fault = _isFull ? Fault.Error(Libc.Enospc) : fault;
                _acceptedBytes += _isFull ? 0 : sizeBytes;
            }

            _numFaults += fault is null ? 0 : 1;
            return fault;
        }
    }

    private void SubmitFaulty(BlockRequest request, Fault fault)
    {
        int sizeBytes = request.SizeBytes;
        byte* address = request.Address;
        NativeBuffer? wrongCopy = null;
        if (fault.Kind == FaultKind.ShortTransfer)
        {
            sizeBytes = Math.Min(fault.TransferredBytes, sizeBytes - 1) & -AlignmentBytes;
            if (sizeBytes == 0)
            {
                request.Complete(ShortTransferError(request, 0));
                return;
            }
        }
        else if (fault.Kind == FaultKind.FlippedBit && request.Operation == BlockOperation.Write)
        {
            wrongCopy = new NativeBuffer(sizeBytes);
            address = (byte*)wrongCopy.Address;
            Buffer.MemoryCopy(request.Address, address, sizeBytes, sizeBytes);
            FlipBit(address, sizeBytes, fault.BitIndex);
        }

        lock (_gate)
        {
            _numInFlight++;
        }

        long dueNanoseconds = TimedThread.NowNanoseconds() + (fault.Lateness.Ticks * TimedThread.NanosecondsPerTick);
        var transfer = new FaultyTransfer(this, request, fault, dueNanoseconds) { WrongCopy = wrongCopy };
        transfer.Prepare(request.Operation, request.OffsetBytes, address, sizeBytes, request.Priority);
        try
        {
            _inner.Submit(transfer);
        }
        catch
        {
            wrongCopy?.Dispose();
            Leave(); // Refused: it will never complete.
            throw;
        }
    }

    private void Report(BlockRequest outer, Exception? error)
    {
        outer.Complete(error);
        Leave();
    }

    private void Leave()
    {
        lock (_gate)
        {
            _numInFlight--;
            Monitor.PulseAll(_gate);
        }
    }
}
