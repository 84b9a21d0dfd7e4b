using Offload.Swap.Schedules;

namespace Offload.Swap.Execution;

/// <summary>Where a thread of the executor is in its program. All but the signal belongs to the gate; while the thread is awake, its operation is its own to read.</summary>
internal sealed class LaneProgress
{
    private readonly int[] _queue;
    private int _position;

    /// <param name="lanes">Lanes whose operations it does: one, or all of a sequential run.</param>
    /// <param name="queue">Its operations in order; at least one.</param>
    /// <param name="device">What it issues them to; null: it does them, or waits for each.</param>
    public LaneProgress(IReadOnlyList<Lane> lanes, int[] queue, DeviceLane? device)
    {
        Lanes = lanes;
        Device = device;
        _queue = queue;
    }

    /// <summary>Lanes whose operations it does.</summary>
    public IReadOnlyList<Lane> Lanes { get; }

    /// <summary>What it only issues operations to, if so.</summary>
    public DeviceLane? Device { get; }

    /// <summary>Where it sleeps.</summary>
    public WakeSignal Signal { get; } = new();

    /// <summary>It sleeps, or is about to: whoever finds that it can go on clears this and sets its signal, once.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>What the operation waits for, or has waited for last: a lane, or one of the gate's numbers for what is none.</summary>
    public int WaitsFor { get; set; } = Schedules.Operation.None;

    /// <summary>Its operation: at work, or next.</summary>
    public int Operation => _queue[_position];

    /// <summary>That operation's period.</summary>
    public long Period { get; private set; }

    /// <summary>The operation is done, or issued; on to the next.</summary>
    public void Advance()
    {
        WaitsFor = Schedules.Operation.None;
        if (++_position == _queue.Length)
        {
            _position = 0;
            Period++;
        }
    }
}
