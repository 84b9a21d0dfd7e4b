using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>What the executor's threads do, each from its begin to its end. Throws nothing: errors end all, by the gate.</summary>
internal sealed class LaneLoops
{
    private readonly LaneProgram _program;
    private readonly LaneCounts _counts;
    private readonly LaneGate _gate;
    private readonly DeviceLane?[] _devices;
    private readonly IOperationHandler _handler;
    private readonly Action<Lane>? _onLaneStart;
    private readonly TimeProvider? _clock;
    private readonly CancellationToken _cancellation;

    /// <param name="program">What runs.</param>
    /// <param name="counts">How far it is.</param>
    /// <param name="gate">Tells when.</param>
    /// <param name="devices">Of each lane what runs it, or null.</param>
    /// <param name="handler">Does it.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">For the handler.</param>
    public LaneLoops(
        LaneProgram program,
        LaneCounts counts,
        LaneGate gate,
        DeviceLane?[] devices,
        IOperationHandler handler,
        ExecutorOptions options,
        CancellationToken cancellation)
    {
        _program = program;
        _counts = counts;
        _gate = gate;
        _devices = devices;
        _handler = handler;
        _onLaneStart = options.OnLaneStart;
        _clock = options.MaxTracePeriods > 0 ? options.Clock : null;
        _cancellation = cancellation;
    }

    /// <summary>Does operations one after the other; those of a device's lane too, if the run is sequential.</summary>
    public void Run(LaneProgress progress)
    {
        try
        {
            Start(progress);
            bool goesOn = _gate.NextOperation(progress, startTicks: 0, endTicks: 0, isFirst: true);
            while (goesOn)
            {
                long startTicks = _clock?.GetTimestamp() ?? 0;
                long endTicks;
                if (_devices[_program.LaneOf[progress.Operation]] is { } device)
                {
                    (startTicks, endTicks) = RunOn(device, progress);
                }
                else
                {
                    _handler.Run(progress.Operation, progress.Period, _cancellation);
                    endTicks = _clock?.GetTimestamp() ?? 0;
                }

                goesOn = _gate.NextOperation(progress, startTicks, endTicks, isFirst: false);
            }
        }
        catch (Exception error)
        {
            _gate.Stop(error);
        }
    }

    /// <summary>Issues operations to a device's lane.</summary>
    public void Issue(LaneProgress progress)
    {
        DeviceLane device = progress.Device!;
        long count = 0;
        bool isInPart = false;
        try
        {
            Start(progress);
            bool goesOn = _gate.NextIssue(progress, Operation.None, isFirst: true);
            while (goesOn)
            {
                bool mayWait = AwaitOthers(device, progress);

                // Nothing holds the operation: if its release was the last thing to come, that is what it has waited for, and it is no lane.
                int waitedFor = !mayWait && progress.WaitsFor == LaneCounts.ForRelease ? Operation.None : TraceRing.ByTimes;
                device.Begin(count);
                isInPart = true;
                _handler.Run(progress.Operation, progress.Period, _cancellation);
                device.Mark(count);
                isInPart = false;
                count++;
                goesOn = _gate.NextIssue(progress, waitedFor, isFirst: false);
            }
        }
        catch (Exception error)
        {
            _gate.Stop(error);
            isInPart = isInPart && device.TryMark(count);
        }

        _gate.EndIssue(device, isInPart);
    }

    /// <summary>Waits for what is issued to a device's lane, to the last, whatever fails elsewhere.</summary>
    public void Complete(DeviceLane device)
    {
        try
        {
            long count = 0;
            bool goesOn = _gate.NextCompletion(device, startTicks: 0, endTicks: 0, isFirst: true);
            while (goesOn)
            {
                device.Wait(count);
                (long startTicks, long endTicks) = TimesOf(device, count);
                count++;
                goesOn = _gate.NextCompletion(device, startTicks, endTicks, isFirst: false);
            }
        }
        catch (Exception error)
        {
            _gate.Stop(error);
        }
    }

    private void Start(LaneProgress progress)
    {
        foreach (Lane lane in progress.Lanes)
        {
            _onLaneStart?.Invoke(lane);
        }
    }

    /// <summary>Makes a device's lane wait for what the next operation waits for in others of the device.</summary>
    /// <returns>False: all that is done.</returns>
    private bool AwaitOthers(DeviceLane device, LaneProgress progress)
    {
        bool mayWait = false;
        for (int i = _program.Start[progress.Operation]; i < _program.Start[progress.Operation + 1]; i++)
        {
            ref readonly LaneProgram.Need need = ref _program.Needs[i];
            long target = need.TargetOf(progress.Period);
            if (_counts.NumDone(need.Lane) < target)
            {
                // Of threads' lanes it is done: else the operation might not be issued yet.
                mayWait = true;
                device.Await(need.Lane, target);
            }
        }

        return mayWait;
    }

    private (long StartTicks, long EndTicks) RunOn(DeviceLane device, LaneProgress progress)
    {
        // Nobody else changes it: the run is sequential.
        long count = _counts.NumDone((int)device.Lane);
        device.Begin(count);
        try
        {
            _handler.Run(progress.Operation, progress.Period, _cancellation);
            device.Mark(count);
        }
        catch (Exception error)
        {
            _gate.Stop(error);
            if (device.TryMark(count))
            {
                device.Wait(count);
            }

            throw;
        }

        device.Wait(count);
        return TimesOf(device, count);
    }

    /// <summary>When an operation that is done ran. Not to know that ends all too, but what is issued is waited for still.</summary>
    private (long StartTicks, long EndTicks) TimesOf(DeviceLane device, long count)
    {
        try
        {
            return _clock is null ? default : device.Times(count);
        }
        catch (Exception error)
        {
            _gate.Stop(error);
            return default;
        }
    }
}
