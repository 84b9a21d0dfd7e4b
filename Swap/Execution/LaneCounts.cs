using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>How far each lane is, and who may go on by that. Belongs to the gate, but for <see cref="NumDone"/>.</summary>
internal sealed class LaneCounts
{
    /// <summary>What a thread waits for if not for a lane: that its period is released.</summary>
    public const int ForRelease = -2;

    private static readonly int NumLanes = SimulationResult.NumLanes;

    private readonly LaneProgram _program;
    private readonly LaneProgress[] _lanes;
    private readonly int _maxAhead;
    private readonly long[] _done = new long[NumLanes];

    /// <summary>
    /// What devices' lanes wait for before they are given more: of such lanes what is issued, for the device waits for the rest; of other lanes
    /// what is done.
    /// </summary>
    private readonly long[] _issued = new long[NumLanes];

    /// <param name="program">What runs.</param>
    /// <param name="lanes">Those that do it, at most as many as there are lanes.</param>
    /// <param name="maxAhead">How far a lane of a device is issued ahead.</param>
    public LaneCounts(LaneProgram program, LaneProgress[] lanes, int maxAhead)
    {
        _program = program;
        _lanes = lanes;
        _maxAhead = maxAhead;
    }

    /// <summary>Periods that may run.</summary>
    public long NumReleased { get; set; }

    /// <summary>Periods of which all is done.</summary>
    public long NumPeriodsDone
    {
        get
        {
            long least = NumReleased;
            for (int lane = 0; lane < NumLanes; lane++)
            {
                int length = _program.Queues[lane].Length;
                least = length == 0 ? least : Math.Min(least, _done[lane] / length);
            }

            return least;
        }
    }

    /// <summary>Periods of which a lane has done, or been issued, something.</summary>
    public long NumPeriodsBegun => _program.Queues.Select((queue, lane) => queue.Length == 0 ? 0 : (_issued[lane] + queue.Length - 1) / queue.Length).Max();

    /// <summary>How many operations of a lane are done, at least. Any thread, without the gate.</summary>
    public long NumDone(int lane) => Volatile.Read(ref _done[lane]);

    /// <summary>How many operations of a lane are issued, if a device's, or done.</summary>
    public long NumIssued(int lane) => _issued[lane];

    /// <summary>Counts an operation of a thread's lane.</summary>
    public void AddRun(int lane)
    {
        _issued[lane]++;
        AddDone(lane);
    }

    /// <summary>Counts an operation that a device's lane was given.</summary>
    public void AddIssued(int lane) => _issued[lane]++;

    /// <summary>Counts an operation that a device's lane has done.</summary>
    public void AddDone(int lane) => Volatile.Write(ref _done[lane], _done[lane] + 1);

    /// <summary>Whether so many operations of a lane are done; of no lane: so many periods.</summary>
    public bool IsDone(int lane, long count) => lane == Operation.None ? NumPeriodsDone >= count : _done[lane] >= count;

    /// <summary>Whether the next operation may begin, or be issued; if not, notes for what it waits.</summary>
    public bool IsReady(LaneProgress progress)
    {
        if (progress.Period >= NumReleased)
        {
            progress.WaitsFor = ForRelease;
            return false;
        }

        DeviceLane? device = progress.Device;
        int missing = _program.FirstMissing(progress.Operation, progress.Period, device is null ? _done : _issued);
        if (missing == Operation.None && device is not null && _issued[(int)device.Lane] - _done[(int)device.Lane] >= _maxAhead)
        {
            missing = (int)device.Lane;
        }

        if (missing != Operation.None)
        {
            progress.WaitsFor = missing;
        }

        return missing == Operation.None;
    }

    /// <summary>Those that have waited for a lane, or a release, and must be woken, as bits; only the caller then wakes them.</summary>
    public uint TakeReady(int waitedFor)
    {
        uint ready = 0;
        for (int i = 0; i < _lanes.Length; i++)
        {
            LaneProgress progress = _lanes[i];
            if (progress.IsWaiting && progress.WaitsFor == waitedFor && IsReady(progress))
            {
                progress.IsWaiting = false;
                ready |= 1u << i;
            }
        }

        return ready;
    }

    /// <summary>Wakes those that <see cref="TakeReady"/> has given. Any thread, without the gate.</summary>
    public void Wake(uint ready)
    {
        for (int i = 0; ready >> i != 0; i++)
        {
            if ((ready >> i & 1) != 0)
            {
                _lanes[i].Signal.Set();
            }
        }
    }

    /// <summary>Wakes all that sleep, but those that wait for a device.</summary>
    public void WakeAll()
    {
        foreach (LaneProgress progress in _lanes)
        {
            if (progress.IsWaiting)
            {
                progress.IsWaiting = false;
                progress.Signal.Set();
            }
        }
    }
}
