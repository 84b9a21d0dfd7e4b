using System.Diagnostics;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>Does a schedule's operations: one handler a lane, all on the lanes' threads.</summary>
internal sealed class OperationRunner : IOperationHandler
{
    private readonly StepSchedule _schedule;
    private readonly SlotTable _slots;
    private readonly SwapEngine _engine;
    private readonly StepRing _steps;
    private readonly ComputeLane _compute;
    private readonly CopyLanes _copies;
    private readonly DriveLanes _drives;
    private readonly Action<Operation, long>? _before;

    /// <param name="slots">The schedule and its memory.</param>
    /// <param name="engine">What the lanes share.</param>
    /// <param name="steps">What each period is for.</param>
    /// <param name="before">Called before each operation; null: nothing is.</param>
    public OperationRunner(SlotTable slots, SwapEngine engine, StepRing steps, Action<Operation, long>? before)
    {
        _schedule = slots.Schedule;
        _slots = slots;
        _engine = engine;
        _steps = steps;
        _compute = new ComputeLane(slots, engine);
        _copies = new CopyLanes(slots, engine);
        _drives = new DriveLanes(slots, engine);
        _before = before;
    }

    /// <inheritdoc/>
    public void Run(int operation, long period, CancellationToken cancellation)
    {
        Operation found = _schedule.Operations[operation];
        StepInFlight step = _steps[period];
        _before?.Invoke(found, period);
        if ((found.Guard != Guard.None || found.IsDelayed) && !found.BringsWeights && !_engine.Updates.IsDue(found, step))
        {
            if (found.Kind == OperationKind.SaveStates)
            {
                _slots.HasNewStates[_slots.Only(operation, AccessMode.Write)] = false;
            }

            return;
        }

        long start = Stopwatch.GetTimestamp();
        switch (found.Lane)
        {
            case Lane.Compute:
                _compute.Run(operation, found, step);
                Throttle(found, step, start, cancellation);
                break;
            case Lane.H2D or Lane.D2H:
                _copies.Run(operation, found, cancellation);
                break;
            case Lane.SsdRead or Lane.SsdWrite:
                _drives.Run(operation, found, step, cancellation);
                break;
            case Lane.CpuUpdate:
                _engine.Updates.Run(_slots, operation, found, step);
                Throttle(found, step, start, cancellation);
                break;
            default:
                throw new InvalidOperationException($"no handler for the lane {found.Lane}");
        }
    }

    private void Throttle(in Operation operation, StepInFlight step, long start, CancellationToken cancellation)
    {
        if (operation.Kind is not (OperationKind.UpdateStates or OperationKind.UpdateOnGpu) || _engine.Updates.IsDue(operation, step))
        {
            _engine.Throttle.Keep(operation, start, cancellation);
        }
    }
}
