using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>
/// A lane that a device runs. The methods belong to the lane's threads, as those of <see cref="IDeviceLanes"/>; the properties, but for the signal, to
/// the gate, which is where <see cref="NumWaited"/> is changed, by the thread that waits.
/// </summary>
internal sealed class DeviceLane
{
    private readonly IDeviceLanes _devices;
    private readonly long[] _awaited = new long[SimulationResult.NumLanes];
    private long _lastEndTicks = long.MinValue;

    public DeviceLane(IDeviceLanes devices, Lane lane)
    {
        _devices = devices;
        Lane = lane;
    }

    /// <summary>Which one.</summary>
    public Lane Lane { get; }

    /// <summary>Where the thread that waits for the device sleeps while there is nothing to wait for.</summary>
    public WakeSignal Signal { get; } = new();

    /// <summary>It sleeps there, or is about to: whoever marks an operation, or ends the lane, clears this and sets the signal.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Operations that the device was given, the last perhaps in part: so many must be waited for.</summary>
    public long NumMarked { get; set; }

    /// <summary>Nothing more is issued.</summary>
    public bool IsEnding { get; set; }

    /// <summary>Operations that were waited for.</summary>
    public long NumWaited { get; set; }

    /// <summary>Whether the thread that waits for the device must be woken; only the caller then wakes it.</summary>
    public bool TakeWaiting()
    {
        bool wasWaiting = IsWaiting;
        IsWaiting = false;
        return wasWaiting;
    }

    /// <summary>Makes the lane wait for another, unless it does so already.</summary>
    public void Await(int other, long count)
    {
        // The lane runs in order: what an operation before has waited for is done.
        if (_awaited[other] < count)
        {
            _devices.Await(Lane, (Lane)other, count);
            _awaited[other] = count;
        }
    }

    /// <summary>Before an operation is issued.</summary>
    public void Begin(long count) => _devices.Begin(Lane, count);

    /// <summary>After it is issued.</summary>
    public void Mark(long count) => _devices.Mark(Lane, count);

    /// <summary>Waits for it.</summary>
    public void Wait(long count) => _devices.Wait(Lane, count);

    /// <summary>When it ran. Devices' clocks are coarse and set now and then: here, no operation begins before the one before it ends.</summary>
    public (long StartTicks, long EndTicks) Times(long count)
    {
        (long start, long end) = _devices.Times(Lane, count);
        start = Math.Max(start, _lastEndTicks);
        _lastEndTicks = Math.Max(start, end);
        return (start, _lastEndTicks);
    }

    /// <summary>Ends an operation that failed while it was issued: for the part that was. False: it cannot be waited for.</summary>
    public bool TryMark(long count)
    {
        try
        {
            Mark(count);
            return true;
        }
        catch (Exception)
        {
            // The first error is known already, and a device that takes no marks does not work.
            return false;
        }
    }
}
