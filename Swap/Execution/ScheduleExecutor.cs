using System.Runtime.ExceptionServices;
using Offload.Profiles.Tracing;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>
/// Runs a schedule, period after period: one thread a lane that has operations, each doing its lane's operations in program order as soon as
/// what they wait for is done. Methods: any thread but the lanes', which may only call <see cref="Release"/>.
/// </summary>
/// <remarks>
/// <para>
/// Why lanes in order and counters are all it takes. Within a lane, operations run in program order, so "operation k of that lane is done" is
/// the same as "more than k of its operations are done", and one number a lane tells the state of the whole schedule. What an operation waits
/// for in other lanes is the last write of each slot that it touches and, if it writes, the reads since; all but the last of those in one lane
/// are done when the last one is. Two operations that touch one slot, one of them writing, are therefore ordered as in the program: directly,
/// or over the chain of writers between them. So each operation finds in its slots what program order has put there, whatever the lanes'
/// speeds, and an overlapped run gives the same bits as a sequential one.
/// </para>
/// <para>
/// Why it never stands still: an operation waits only for operations before it in the program, or for those of the period before. Of all that
/// are not done, the first one in the order of periods and program waits for nothing, and its lane has nothing else to do.
/// </para>
/// <para>
/// Periods need no border. The same counters go on from one to the next, and an operation that waits for one of the period before compares
/// with the count of that period; a lane may be periods ahead of another, as far as slots and <see cref="Release"/> let it.
/// </para>
/// <para>
/// One lock guards the counters; it is taken once an operation and never held while a handler runs or a thread is woken. Its order makes what
/// a handler has written visible to those that wait for it. A thread that cannot go on says so under the lock and then sleeps on a signal of
/// its own, which keeps a wake-up that comes first; whoever completes an operation looks, under the same lock, at those that wait for its lane
/// and wakes only those that can go on. So no wake-up is lost and none is in vain.
/// </para>
/// </remarks>
public sealed class ScheduleExecutor : IDisposable
{
    /// <summary>What a thread waits for if not for a lane: that its period is released.</summary>
    private const int ForRelease = -2;

    private static readonly int NumLanes = SimulationResult.NumLanes;

    private readonly StepSchedule _schedule;
    private readonly IOperationHandler _handler;
    private readonly ExecutorOptions _options;
    private readonly LaneProgram _program;
    private readonly LaneThread[] _threads;
    private readonly TraceRing? _trace;
    private readonly CancellationTokenSource _cancellation = new();

    private readonly Lock _gate = new();
    private readonly long[] _done = new long[NumLanes];
    private readonly List<CallerWait> _callers = [];
    private readonly Stack<CallerWait> _idleCallers = [];
    private long _numReleased;
    private long _traceFrom;
    private ExceptionDispatchInfo? _error;
    private bool _isStopping;
    private bool _isDisposed;

    /// <summary>Starts the threads; they wait for the first <see cref="Release"/>.</summary>
    /// <param name="schedule">What to run.</param>
    /// <param name="handler">Does the operations. Borrowed; not called any more once <see cref="Dispose"/> has returned.</param>
    /// <param name="options">How; null: overlapped, without a trace.</param>
    public ScheduleExecutor(StepSchedule schedule, IOperationHandler handler, ExecutorOptions? options = null)
    {
        _schedule = schedule;
        _handler = handler;
        _options = options ?? new ExecutorOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(_options.MaxTracePeriods, "options.MaxTracePeriods");
        _program = new LaneProgram(schedule);
        _trace = _options.MaxTracePeriods > 0 ? new TraceRing(_program.LaneOf.Length, _options.MaxTracePeriods) : null;
        _threads = CreateThreads();
        int numStarted = 0;
        try
        {
            for (; numStarted < _threads.Length; numStarted++)
            {
                _threads[numStarted].Thread.Start();
            }
        }
        catch
        {
            // No memory for another thread.
            _threads = _threads[..numStarted];
            Dispose();
            throw;
        }
    }

    /// <summary>Lets one more period run. Does not wait for it.</summary>
    /// <returns>Its number, from 0.</returns>
    /// <exception cref="Exception">The first error of any lane, as its handler threw it.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public long Release()
    {
        uint woken = 0;
        long period;
        lock (_gate)
        {
            ThrowIfStoppedLocked();
            period = _numReleased++;
            for (int i = 0; i < _threads.Length; i++)
            {
                woken |= WakesLocked(_threads[i], ForRelease) ? 1u << i : 0;
            }
        }

        Wake(woken);
        return period;
    }

    /// <summary>Waits until all operations of a period are done.</summary>
    /// <param name="period">A released period.</param>
    /// <exception cref="Exception">The first error of any lane, as its handler threw it, even if the period is done.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of, before or meanwhile.</exception>
    public void Wait(long period) => WaitUntil(period, Operation.None, period + 1);

    /// <summary>Waits until one operation of a period is done.</summary>
    /// <param name="operation">Index in the schedule.</param>
    /// <param name="period">A released period.</param>
    /// <exception cref="Exception">The first error of any lane, as its handler threw it, even if the operation is done.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of, before or meanwhile.</exception>
    public void WaitFor(int operation, long period)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(operation);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(operation, _program.LaneOf.Length);
        int lane = _program.LaneOf[operation];
        WaitUntil(period, lane, (period * _program.Queues[lane].Length) + _program.Position[operation] + 1);
    }

    /// <summary>Waits until all released periods are done.</summary>
    /// <exception cref="Exception">The first error of any lane, as its handler threw it.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of, before or meanwhile.</exception>
    public void Drain()
    {
        long numReleased;
        lock (_gate)
        {
            ThrowIfStoppedLocked();
            numReleased = _numReleased;
        }

        if (numReleased > 0)
        {
            Wait(numReleased - 1);
        }
    }

    /// <summary>
    /// The periods that are done and that no trace before has given: the last <see cref="ExecutorOptions.MaxTracePeriods"/> at most. Works
    /// while lanes run, after an error and after the end. Allocates.
    /// </summary>
    /// <param name="unitNames">Names of the units in the trace; null: their numbers.</param>
    /// <param name="numSteady">The last periods, so many of which count as steady; null: the second half.</param>
    /// <exception cref="InvalidOperationException">Nothing is recorded.</exception>
    public StepTrace TakeTrace(IReadOnlyList<string>? unitNames = null, int? numSteady = null)
    {
        if (_trace is null)
        {
            throw new InvalidOperationException("no trace is recorded: MaxTracePeriods is 0");
        }

        int count = _program.LaneOf.Length;
        long first;
        (long StartTicks, long EndTicks, sbyte WaitedFor)[] times;
        lock (_gate)
        {
            // A lane that is ahead may have written over a period that another has just completed.
            long end = NumPeriodsDoneLocked();
            long begun = _program.Queues.Select((queue, lane) => queue.Length == 0 ? 0 : (_done[lane] + queue.Length - 1) / queue.Length).Max();
            first = Math.Min(Math.Max(_traceFrom, begun - _trace.MaxPeriods), end);
            times = new (long, long, sbyte)[checked((int)(end - first) * count)];
            for (int i = 0; i < times.Length; i++)
            {
                times[i] = _trace.Get(i % count, first + (i / count));
            }

            _traceFrom = end;
        }

        long origin = times.Length == 0 ? 0 : times.Min(time => time.StartTicks);
        double SecondsOf(long ticks) => _options.Clock.GetElapsedTime(origin, ticks).TotalSeconds;
        return Traces.Create(
            _schedule,
            unitNames,
            first,
            [.. times.Select(time => SecondsOf(time.StartTicks))],
            [.. times.Select(time => SecondsOf(time.EndTicks))],
            [.. times.Select(time => time.WaitedFor)],
            numSteady);
    }

    /// <summary>
    /// Stops after the operations at work, whose cancellation is set, and waits for them to return. Callers that wait get
    /// <see cref="ObjectDisposedException"/>. Throws no error of a lane.
    /// </summary>
    /// <exception cref="InvalidOperationException">Called by a lane.</exception>
    public void Dispose()
    {
        RefuseLaneThread();
        lock (_gate)
        {
            _isDisposed = true;
            StopLocked();
        }

        Cancel();
        foreach (LaneThread thread in _threads)
        {
            thread.Thread.Join();
        }

        _cancellation.Dispose();
    }

    private LaneThread[] CreateThreads()
    {
        Lane[] lanes = [.. Enum.GetValues<Lane>().Where(lane => _program.Queues[(int)lane].Length > 0)];
        if (!_options.IsSequential)
        {
            return [.. lanes.Select(lane => new LaneThread($"offload-lane-{lane}", [lane], _program.Queues[(int)lane], Run))];
        }

        return lanes.Length == 0 ? [] : [new LaneThread("offload-lanes", lanes, [.. Enumerable.Range(0, _program.LaneOf.Length)], Run)];
    }

    private void Run(LaneThread thread)
    {
        try
        {
            foreach (Lane lane in thread.Lanes)
            {
                _options.OnLaneStart?.Invoke(lane);
            }

            CancellationToken cancellation = _cancellation.Token;
            TimeProvider? clock = _trace is null ? null : _options.Clock;
            bool goesOn = GoOn(thread, startTicks: 0, endTicks: 0, isFirst: true);
            while (goesOn)
            {
                long startTicks = clock?.GetTimestamp() ?? 0;
                _handler.Run(thread.Operation, thread.Period, cancellation);
                goesOn = GoOn(thread, startTicks, clock?.GetTimestamp() ?? 0, isFirst: false);
            }
        }
        catch (Exception error)
        {
            Fail(error);
        }
    }

    /// <summary>Counts the operation that is done, wakes who waited for it, and waits until the next one may begin.</summary>
    /// <returns>False: the thread is to end.</returns>
    private bool GoOn(LaneThread thread, long startTicks, long endTicks, bool isFirst)
    {
        uint woken = 0;
        bool sleeps;
        lock (_gate)
        {
            if (!isFirst)
            {
                int lane = _program.LaneOf[thread.Operation];
                _trace?.Add(thread.Operation, thread.Period, startTicks, endTicks, Math.Max(thread.WaitsFor, Operation.None));
                _done[lane]++;
                thread.Advance();
                for (int i = 0; i < _threads.Length; i++)
                {
                    woken |= WakesLocked(_threads[i], lane) ? 1u << i : 0;
                }

                WakeCallersLocked();
            }

            sleeps = !_isStopping && !IsReadyLocked(thread);
            thread.IsWaiting = sleeps;
        }

        Wake(woken);
        if (sleeps)
        {
            thread.Signal.Wait();
        }

        return !Volatile.Read(ref _isStopping);
    }

    private bool IsReadyLocked(LaneThread thread)
    {
        if (thread.Period >= _numReleased)
        {
            thread.WaitsFor = ForRelease;
            return false;
        }

        int missing = _program.FirstMissing(thread.Operation, thread.Period, _done);
        if (missing != Operation.None)
        {
            thread.WaitsFor = missing;
        }

        return missing == Operation.None;
    }

    /// <summary>Whether a thread that has waited for a lane, or a release, must be woken; only the caller then wakes it.</summary>
    private bool WakesLocked(LaneThread thread, int waitsFor)
    {
        if (!thread.IsWaiting || thread.WaitsFor != waitsFor || !IsReadyLocked(thread))
        {
            return false;
        }

        thread.IsWaiting = false;
        return true;
    }

    private void Wake(uint threads)
    {
        for (int i = 0; threads >> i != 0; i++)
        {
            if ((threads >> i & 1) != 0)
            {
                _threads[i].Signal.Set();
            }
        }
    }

    private void WakeCallersLocked()
    {
        for (int i = _callers.Count - 1; i >= 0; i--)
        {
            if (IsDoneLocked(_callers[i].Lane, _callers[i].Count))
            {
                _callers[i].Signal.Set();
                _callers.RemoveAt(i);
            }
        }
    }

    private void WaitUntil(long period, int lane, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(period);
        RefuseLaneThread();
        CallerWait wait;
        lock (_gate)
        {
            ThrowIfStoppedLocked();
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(period, _numReleased);
            if (IsDoneLocked(lane, count))
            {
                return;
            }

            wait = _idleCallers.TryPop(out CallerWait? idle) ? idle : new CallerWait();
            wait.Lane = lane;
            wait.Count = count;
            _callers.Add(wait);
        }

        wait.Signal.Wait();
        lock (_gate)
        {
            _idleCallers.Push(wait);
            ThrowIfStoppedLocked();
        }
    }

    private bool IsDoneLocked(int lane, long count) => lane == Operation.None ? NumPeriodsDoneLocked() >= count : _done[lane] >= count;

    private long NumPeriodsDoneLocked()
    {
        long least = _numReleased;
        for (int lane = 0; lane < NumLanes; lane++)
        {
            int length = _program.Queues[lane].Length;
            least = length == 0 ? least : Math.Min(least, _done[lane] / length);
        }

        return least;
    }

    private void Fail(Exception error)
    {
        lock (_gate)
        {
            if (!_isDisposed)
            {
                _error ??= ExceptionDispatchInfo.Capture(error);
            }

            StopLocked();
        }

        Cancel();
    }

    private void StopLocked()
    {
        Volatile.Write(ref _isStopping, true);
        foreach (LaneThread thread in _threads)
        {
            if (thread.IsWaiting)
            {
                thread.IsWaiting = false;
                thread.Signal.Set();
            }
        }

        foreach (CallerWait caller in _callers)
        {
            caller.Signal.Set();
        }

        _callers.Clear();
    }

    private void Cancel()
    {
        try
        {
            _cancellation.Cancel();
        }
        catch (Exception error) when (error is AggregateException or ObjectDisposedException)
        {
            // What a handler has hung on its cancellation threw: never the first error, which has caused the cancellation. Or the executor
            // was disposed of twice.
        }
    }

    private void ThrowIfStoppedLocked()
    {
        _error?.Throw();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
    }

    private void RefuseLaneThread()
    {
        foreach (LaneThread thread in _threads)
        {
            if (thread.Thread == Thread.CurrentThread)
            {
                throw new InvalidOperationException("a lane must not wait for lanes: it would wait for itself");
            }
        }
    }
}
