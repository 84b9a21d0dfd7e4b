using Offload.Swap.Schedules;

namespace Offload.Swap.Execution;

/// <summary>A thread of the executor and where it is in its program. All but the signal belongs to the executor's gate.</summary>
internal sealed class LaneThread
{
    private readonly int[] _queue;
    private int _position;

    /// <param name="name">Name of the thread.</param>
    /// <param name="lanes">Lanes whose operations it does: one, or all of a sequential run.</param>
    /// <param name="queue">Its operations in order; at least one.</param>
    /// <param name="run">What it does.</param>
    public LaneThread(string name, IReadOnlyList<Lane> lanes, int[] queue, Action<LaneThread> run)
    {
        Lanes = lanes;
        _queue = queue;
        Thread = new Thread(() => run(this)) { Name = name, IsBackground = true };
    }

    /// <summary>The thread.</summary>
    public Thread Thread { get; }

    /// <summary>Lanes whose operations it does.</summary>
    public IReadOnlyList<Lane> Lanes { get; }

    /// <summary>Where it sleeps.</summary>
    public WakeSignal Signal { get; } = new();

    /// <summary>It sleeps, or is about to: whoever finds that it can go on clears this and sets its signal, once.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>What the operation waits for, or has waited for last: a lane, or one of the executor's numbers for what is none.</summary>
    public int WaitsFor { get; set; } = Schedules.Operation.None;

    /// <summary>Its operation: at work, or next.</summary>
    public int Operation => _queue[_position];

    /// <summary>That operation's period.</summary>
    public long Period { get; private set; }

    /// <summary>The operation is done; on to the next.</summary>
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
