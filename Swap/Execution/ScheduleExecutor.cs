using Offload.Profiles.Tracing;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>
/// Runs a schedule, period after period: one thread a lane that has operations, each doing its lane's operations in program order as soon as
/// what they wait for is done. Lanes of a device take two threads each: one issues, one waits for the device. Methods: any thread but the
/// lanes', which may only call <see cref="Release"/>.
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
/// Lanes of a device (<see cref="ExecutorOptions.Devices"/>) do their operations in the order in which they are issued, so the same numbers tell
/// about them. An operation is issued once what it waits for is done in threads' lanes and issued in the device's, for which the device then
/// waits by itself. The order of issuing is thus one that a device can follow, and that it may be a few operations ahead makes nobody wait: of
/// all operations that are not done, the first one is issued as soon as those before it in its lane are done.
/// </para>
/// </remarks>
public sealed class ScheduleExecutor : IDisposable
{
    private readonly StepSchedule _schedule;
    private readonly TimeProvider _clock;
    private readonly LaneProgram _program;
    private readonly LaneGate _gate;
    private readonly StopState _stop = new();
    private readonly Thread[] _threads;
    private readonly bool _isRecorded;

    /// <summary>Starts the threads; they wait for the first <see cref="Release"/>.</summary>
    /// <param name="schedule">What to run.</param>
    /// <param name="handler">Does the operations. Borrowed; not called any more once <see cref="Dispose"/> has returned.</param>
    /// <param name="options">How; null: overlapped, without a device and without a trace.</param>
    public ScheduleExecutor(StepSchedule schedule, IOperationHandler handler, ExecutorOptions? options = null)
    {
        options ??= new ExecutorOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxTracePeriods, "options.MaxTracePeriods");
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxAhead, 1, "options.MaxAhead");
        _schedule = schedule;
        _clock = options.Clock;
        _isRecorded = options.MaxTracePeriods > 0;
        _program = new LaneProgram(schedule);
        TraceRing? trace = _isRecorded ? new TraceRing(_program.LaneOf.Length, options.MaxTracePeriods) : null;
        Lane[] used = [.. Enum.GetValues<Lane>().Where(lane => _program.Queues[(int)lane].Length > 0)];
        var devices = new DeviceLane?[SimulationResult.NumLanes];
        foreach (Lane lane in used.Where(lane => options.Devices?.IsAsynchronous(lane) ?? false))
        {
            devices[(int)lane] = new DeviceLane(options.Devices!, lane);
        }

        LaneProgress[] lanes = options.IsSequential
            ? used.Length == 0 ? [] : [new LaneProgress(used, [.. Enumerable.Range(0, _program.LaneOf.Length)], device: null)]
            : [.. used.Select(lane => new LaneProgress([lane], _program.Queues[(int)lane], devices[(int)lane]))];
        var counts = new LaneCounts(_program, lanes, options.MaxAhead);
        _gate = new LaneGate(this, _program, counts, trace, _stop);
        _threads = CreateThreads(lanes, new LaneLoops(_program, counts, _gate, devices, handler, options, _stop.Token));
        int numStarted = 0;
        try
        {
            for (; numStarted < _threads.Length; numStarted++)
            {
                _threads[numStarted].Start();
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
    public long Release() => _gate.Release();

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
        long numReleased = _gate.NumReleased;
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
        if (!_isRecorded)
        {
            throw new InvalidOperationException("no trace is recorded: MaxTracePeriods is 0");
        }

        TraceWindow window = _gate.TakeWindow();
        (double[] start, double[] end) = window.Seconds(_clock);
        return Traces.Create(_schedule, unitNames, window.First, start, end, window.Causes(), numSteady);
    }

    /// <summary>
    /// Stops after the operations at work, whose cancellation is set, and waits for them to return, and for all that devices were given to be done
    /// or to fail. Callers that wait get <see cref="ObjectDisposedException"/>. Throws no error of a lane.
    /// </summary>
    /// <exception cref="InvalidOperationException">Called by a lane.</exception>
    public void Dispose()
    {
        RefuseLaneThread();
        _gate.Stop(error: null);
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _stop.Dispose();
    }

    private static Thread[] CreateThreads(LaneProgress[] lanes, LaneLoops loops)
    {
        var threads = new List<Thread>();
        foreach (LaneProgress lane in lanes)
        {
            threads.Add(new Thread(() =>
            {
                if (lane.Device is null)
                {
                    loops.Run(lane);
                }
                else
                {
                    loops.Issue(lane);
                }
            })
            {
                Name = lane.Lanes.Count > 1 ? "offload-lanes" : $"offload-lane-{lane.Lanes[0]}",
            });
        }

        // After all others: each ends only once the one that issues to its lane has ended.
        foreach (DeviceLane device in lanes.Select(lane => lane.Device).OfType<DeviceLane>())
        {
            threads.Add(new Thread(() => loops.Complete(device)) { Name = $"offload-done-{device.Lane}" });
        }

        threads.ForEach(thread => thread.IsBackground = true);
        return [.. threads];
    }

    private void WaitUntil(long period, int lane, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(period);
        RefuseLaneThread();
        _gate.WaitUntil(period, lane, count);
    }

    private void RefuseLaneThread()
    {
        foreach (Thread thread in _threads)
        {
            if (thread == Thread.CurrentThread)
            {
                throw new InvalidOperationException("a lane must not wait for lanes: it would wait for itself");
            }
        }
    }
}
