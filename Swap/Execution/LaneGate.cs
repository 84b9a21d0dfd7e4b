using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>
/// Where the executor's threads and callers meet: one lock over how far all is, who sleeps until when, and the first error. Any thread. Takes no
/// memory in steady state.
/// </summary>
/// <remarks>
/// The lock is taken once an operation and never held while a handler or a device is called or a lane is woken. Its order makes what a handler has
/// written visible to those that wait for it. A thread that cannot go on says so under the lock and then sleeps on a signal of its own, which
/// keeps a wake-up that comes first; whoever completes an operation looks, under the same lock, at those that wait for its lane and wakes only
/// those that can go on. So no wake-up is lost and none is in vain.
/// </remarks>
/// <param name="executor">Whose gate it is.</param>
/// <param name="program">What runs.</param>
/// <param name="counts">Of those that do it.</param>
/// <param name="trace">Where it is recorded; null: nowhere.</param>
/// <param name="stop">Whether it is to end. Borrowed.</param>
internal sealed class LaneGate(object executor, LaneProgram program, LaneCounts counts, TraceRing? trace, StopState stop)
{
    private readonly Lock _gate = new();
    private readonly CallerWaits _callers = new();
    private long _traceFrom;

    /// <summary>Periods that were released.</summary>
    public long NumReleased
    {
        get
        {
            lock (_gate)
            {
                stop.ThrowIfStopped(executor);
                return counts.NumReleased;
            }
        }
    }

    /// <summary>Lets one more period run, and gives its number.</summary>
    public long Release()
    {
        uint woken;
        long period;
        lock (_gate)
        {
            stop.ThrowIfStopped(executor);
            period = counts.NumReleased++;
            woken = counts.TakeReady(LaneCounts.ForRelease);
        }

        counts.Wake(woken);
        return period;
    }

    /// <summary>Sleeps until so many operations of a lane are done; of no lane: so many periods of all.</summary>
    /// <param name="period">Must be released.</param>
    /// <param name="lane">The lane, or none.</param>
    /// <param name="count">How many.</param>
    public void WaitUntil(long period, int lane, long count)
    {
        CallerWait wait;
        lock (_gate)
        {
            stop.ThrowIfStopped(executor);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(period, counts.NumReleased);
            if (counts.IsDone(lane, count))
            {
                return;
            }

            wait = _callers.Add(lane, count);
        }

        wait.Signal.Wait();
        lock (_gate)
        {
            _callers.Return(wait);
            stop.ThrowIfStopped(executor);
        }
    }

    /// <summary>Counts the operation that is done, wakes who waited for it, and waits until the next one may begin.</summary>
    /// <returns>False: the thread is to end.</returns>
    public bool NextOperation(LaneProgress progress, long startTicks, long endTicks, bool isFirst)
    {
        uint woken = 0;
        bool sleeps;
        lock (_gate)
        {
            if (!isFirst)
            {
                int lane = program.LaneOf[progress.Operation];
                trace?.AddCause(progress.Operation, progress.Period, Math.Max(progress.WaitsFor, Operation.None));
                trace?.AddTimes(progress.Operation, progress.Period, startTicks, endTicks);
                counts.AddRun(lane);
                progress.Advance();
                woken = counts.TakeReady(lane);
                _callers.WakeDone(counts);
            }

            sleeps = SleepsLocked(progress);
        }

        counts.Wake(woken);
        return GoesOn(progress, sleeps);
    }

    /// <summary>Counts the operation that is issued, wakes who waited for that, and waits until the next one may be issued.</summary>
    /// <returns>False: nothing more is to be issued.</returns>
    public bool NextIssue(LaneProgress progress, int waitedFor, bool isFirst)
    {
        DeviceLane device = progress.Device!;
        uint woken = 0;
        bool wakesDevice = false;
        bool sleeps;
        lock (_gate)
        {
            if (!isFirst)
            {
                trace?.AddCause(progress.Operation, progress.Period, waitedFor);
                counts.AddIssued((int)device.Lane);
                progress.Advance();
                device.NumMarked++;
                wakesDevice = device.TakeWaiting();
                woken = counts.TakeReady((int)device.Lane);
            }

            sleeps = SleepsLocked(progress);
        }

        if (wakesDevice)
        {
            device.Signal.Set();
        }

        counts.Wake(woken);
        return GoesOn(progress, sleeps);
    }

    /// <summary>Nothing more is issued to a lane.</summary>
    /// <param name="device">The lane.</param>
    /// <param name="isInPart">One more operation, which failed while it was issued, is to be waited for; it does not count as done.</param>
    public void EndIssue(DeviceLane device, bool isInPart)
    {
        bool wakesDevice;
        lock (_gate)
        {
            device.IsEnding = true;
            device.NumMarked += isInPart ? 1 : 0;
            wakesDevice = device.TakeWaiting();
        }

        if (wakesDevice)
        {
            device.Signal.Set();
        }
    }

    /// <summary>
    /// Counts the operation that was waited for, wakes who waited for it, and waits until there is another one to wait for: after an error too, for
    /// all that was issued.
    /// </summary>
    /// <returns>False: there will be none.</returns>
    public bool NextCompletion(DeviceLane device, long startTicks, long endTicks, bool isFirst)
    {
        int lane = (int)device.Lane;
        uint woken = 0;
        bool sleeps;
        lock (_gate)
        {
            if (!isFirst && device.NumWaited++ < counts.NumIssued(lane))
            {
                int[] queue = program.Queues[lane];
                (long period, long position) = Math.DivRem(counts.NumDone(lane), queue.Length);
                trace?.AddTimes(queue[position], period, startTicks, endTicks);
                counts.AddDone(lane);
                woken = counts.TakeReady(lane);
                _callers.WakeDone(counts);
            }

            sleeps = device.NumWaited == device.NumMarked && !device.IsEnding;
            device.IsWaiting = sleeps;
        }

        counts.Wake(woken);
        if (sleeps)
        {
            device.Signal.Wait();
        }

        // Of what was marked, only the end was decided under the lock: what was there to wait for stays, and after the end nothing is added.
        return device.NumWaited < device.NumMarked;
    }

    /// <summary>What was recorded of the periods that are done, but those that were taken before.</summary>
    public TraceWindow TakeWindow()
    {
        lock (_gate)
        {
            // A lane that is ahead may have written over a period that another has just completed.
            long end = counts.NumPeriodsDone;
            long oldest = Math.Max(0, counts.NumPeriodsBegun - trace!.MaxPeriods);
            long first = Math.Min(Math.Max(_traceFrom, oldest), end);
            _traceFrom = end;
            return new TraceWindow(program, trace, Math.Min(Math.Max(first - 1, oldest), first), first, end);
        }
    }

    /// <summary>Ends all: nothing more begins, and callers get the first error, or that the executor is disposed of.</summary>
    /// <param name="error">Why; null: it is disposed of.</param>
    public void Stop(Exception? error)
    {
        lock (_gate)
        {
            stop.Note(error);
            counts.WakeAll();
            _callers.WakeAll();
        }

        stop.Cancel();
    }

    private bool SleepsLocked(LaneProgress progress)
    {
        progress.IsWaiting = !stop.IsStopping && !counts.IsReady(progress);
        return progress.IsWaiting;
    }

    private bool GoesOn(LaneProgress progress, bool sleeps)
    {
        if (sleeps)
        {
            progress.Signal.Wait();
        }

        return !stop.IsStopping;
    }
}
