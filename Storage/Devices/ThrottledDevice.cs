namespace Offload.Storage.Devices;

/// <summary>
/// Makes a device as slow as another: a transfer begins when the previous one of its budget is done, takes its size at the budget's rate,
/// and its request completes a latency later (never before the device under it is done). On the real clock one thread of its own serves
/// it; on a <see cref="VirtualClock"/> the thread that advances the clock. Flushes pass through and cost nothing. In steady state nothing is
/// allocated. It owns the device under it and disposes it.
/// </summary>
public sealed class ThrottledDevice : IBlockDevice, ITimedWork
{
    /// <summary>
    /// How much lateness of one completion the requests after it make good: the period in which Linux shares out limited CPU time, so the longest
    /// that a thread of a busy machine usually waits for a core. Without a bound a debugger's stop would be followed by a device without limits.
    /// </summary>
    private const long MaxLateNanoseconds = 100_000_000;

    private readonly IBlockDevice _inner;
    private readonly VirtualClock? _clock;
    private readonly TimedThread? _thread;
    private readonly object _gate = new();
    private readonly Stack<ThrottledTransfer> _spare = new();
    private readonly PriorityQueue<ThrottledTransfer, (long DueNanoseconds, long Sequence)> _moved = new();
    private readonly ThrottleBudget _readBudget = new();
    private readonly ThrottleBudget _writeBudget;
    private readonly double _readNanosecondsPerByte;
    private readonly double _writeNanosecondsPerByte;
    private readonly long _latencyNanoseconds;
    private long _sequence;
    private long _lateNanoseconds;
    private long _wakeNanoseconds = long.MaxValue;
    private int _numInFlight;
    private bool _isDisposed;

    /// <param name="inner">The device under it; owned from now on.</param>
    /// <param name="options">How slow.</param>
    /// <param name="clock">Null: the real one.</param>
    /// <exception cref="ArgumentOutOfRangeException">A rate is not positive or the latency negative.</exception>
    public ThrottledDevice(IBlockDevice inner, ThrottleOptions options, VirtualClock? clock = null)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _inner = inner;
        _clock = clock;
        _writeBudget = options.SharesBudget ? _readBudget : new ThrottleBudget();
        _readNanosecondsPerByte = 1 / options.ReadGBps; // 10^9 nanoseconds a second, 10^9 bytes a GB.
        _writeNanosecondsPerByte = 1 / options.WriteGBps;
        _latencyNanoseconds = options.Latency.Ticks * TimedThread.NanosecondsPerTick;
        if (clock is null)
        {
            _thread = new TimedThread(this, "offload-throttle");
        }
        else
        {
            clock.Attach(this);
        }
    }

    /// <inheritdoc/>
    public string Path => _inner.Path;

    /// <inheritdoc/>
    public long SizeBytes => _inner.SizeBytes;

    /// <inheritdoc/>
    public int AlignmentBytes => _inner.AlignmentBytes;

    /// <inheritdoc/>
    public DeviceTraffic Traffic => _inner.Traffic;

    /// <inheritdoc/>
    public unsafe void Submit(BlockRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        DeviceRange.Check(request, SizeBytes, AlignmentBytes);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            ThrottledTransfer transfer = _spare.TryPop(out ThrottledTransfer? spare) ? spare : new ThrottledTransfer(this);
            transfer.Prepare(request.Operation, request.OffsetBytes, request.Address, request.SizeBytes, request.Priority);
            transfer.Outer = request;

            // Who waits for one transfer before it submits the next was kept by as much as the completion was late. Without this a simulated
            // time would be longer than computed by a thread's wake-up (some 50 us) for each link of such a chain. The rate stays a bound
            // all the same, counted from the first request: a budget's times only ever add up.
            transfer.SubmittedNanoseconds = Now() - _lateNanoseconds;
            ThrottleBudget budget = BudgetOf(request.Operation);
            budget.Enqueue(transfer);
            _numInFlight++;
            if (Math.Max(budget.FreeNanoseconds, transfer.SubmittedNanoseconds) < _wakeNanoseconds)
            {
                _thread?.Signal(); // Within the lock: who disposes waits for the transfer, and then there is no thread to signal.
            }
        }
    }

    /// <inheritdoc/>
    public unsafe IDisposable? TryRegister(void* address, long sizeBytes) => _inner.TryRegister(address, sizeBytes);

    /// <inheritdoc/>
    public void Flush() => _inner.Flush();

    /// <summary>Waits for what is in flight (a virtual clock is advanced), and disposes the device under it.</summary>
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

        while (_clock is not null && Volatile.Read(ref _numInFlight) > 0 && _clock.Advance())
        {
            // Until all is reported, or the rest waits for the device under it.
        }

        lock (_gate)
        {
            while (_numInFlight > 0)
            {
                Monitor.Wait(_gate);
            }
        }

        try
        {
            _inner.Dispose(); // First: until then its threads may be in here.
        }
        finally
        {
            _thread?.Dispose();
            _clock?.Detach(this);
        }
    }

    /// <inheritdoc/>
    long ITimedWork.RunDue(long nowNanoseconds)
    {
        while (true)
        {
            ThrottledTransfer? transfer;
            bool isStart;
            lock (_gate)
            {
                // Completions first: others wait for them, and what they submit may come before what waits.
                isStart = !TryTakeDueLocked(nowNanoseconds, out transfer);
                transfer ??= StartLocked(_readBudget, nowNanoseconds) ?? StartLocked(_writeBudget, nowNanoseconds);
                if (transfer is null)
                {
                    long dueNanoseconds = _moved.TryPeek(out _, out (long DueNanoseconds, long) key) ? key.DueNanoseconds : long.MaxValue;
                    _wakeNanoseconds = Math.Min(dueNanoseconds, Math.Min(_readBudget.NextStartNanoseconds, _writeBudget.NextStartNanoseconds));
                    return _wakeNanoseconds;
                }

                _wakeNanoseconds = long.MinValue; // It is awake.
            }

            if (isStart)
            {
                _inner.Submit(transfer);
            }
            else
            {
                Report(transfer);
            }
        }
    }

    /// <summary>The device under it is done with a transfer.</summary>
    internal void Moved(ThrottledTransfer transfer, Exception? error)
    {
        lock (_gate)
        {
            transfer.Error = error;
            _moved.Enqueue(transfer, (transfer.DueNanoseconds, _sequence++));
            if (transfer.DueNanoseconds < _wakeNanoseconds)
            {
                _thread?.Signal();
            }
        }
    }

    private long Now() => _clock?.GetTimestamp() ?? TimedThread.NowNanoseconds();

    private ThrottleBudget BudgetOf(BlockOperation operation) => operation == BlockOperation.Read ? _readBudget : _writeBudget;

    private bool TryTakeDueLocked(long nowNanoseconds, out ThrottledTransfer? transfer)
    {
        if (_moved.TryPeek(out transfer, out (long DueNanoseconds, long) key) && key.DueNanoseconds <= nowNanoseconds)
        {
            _moved.Dequeue();
            _lateNanoseconds = Math.Clamp(Now() - key.DueNanoseconds, 0, MaxLateNanoseconds);
            return true;
        }

        transfer = null;
        return false;
    }

    private ThrottledTransfer? StartLocked(ThrottleBudget budget, long nowNanoseconds)
    {
        if (budget.NextStartNanoseconds > nowNanoseconds)
        {
            return null;
        }

        ThrottledTransfer transfer = budget.Dequeue();
        if (transfer.IsCancelled)
        {
            transfer.DueNanoseconds = nowNanoseconds; // Takes no time; the device under it ends it.
            return transfer;
        }

        double nanosecondsPerByte = transfer.Operation == BlockOperation.Read ? _readNanosecondsPerByte : _writeNanosecondsPerByte;
        transfer.DueNanoseconds = budget.Begin(transfer.SubmittedNanoseconds, transfer.SizeBytes * nanosecondsPerByte) + _latencyNanoseconds;
        return transfer;
    }

    private void Report(ThrottledTransfer transfer)
    {
        BlockRequest outer = transfer.Outer!;
        Exception? error = transfer.Error;
        transfer.Outer = null;
        transfer.Error = null;
        lock (_gate)
        {
            _spare.Push(transfer);
        }

        outer.Complete(error);
        lock (_gate)
        {
            if (--_numInFlight == 0)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }
}
