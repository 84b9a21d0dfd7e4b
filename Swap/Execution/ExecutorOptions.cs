using Offload.Swap.Schedules;

namespace Offload.Swap.Execution;

/// <summary>How a schedule is run. Immutable.</summary>
public sealed record ExecutorOptions
{
    /// <summary>Enough that a GPU finds its next work while the issuing thread is off the processor for some milliseconds.</summary>
    public const int DefaultMaxAhead = 8;

    /// <summary>All operations one by one in program order, on one thread: the plain meaning of a schedule, to compare with.</summary>
    public bool IsSequential { get; init; }

    /// <summary>
    /// Called first on each lane's thread, with its lane; sequential: on the one thread, with each lane that has operations. Not on the threads that
    /// only wait for <see cref="Devices"/>. What it throws counts as an error of the lane.
    /// </summary>
    public Action<Lane>? OnLaneStart { get; init; }

    /// <summary>Lanes that a device runs by itself; null: none. Borrowed; not called any more once the executor is disposed of.</summary>
    public IDeviceLanes? Devices { get; init; }

    /// <summary>
    /// How many operations of a lane of <see cref="Devices"/> may be issued and not done, at least 1. Enough to hide what it takes to issue one
    /// and to notice that one is done; more only makes an error come later.
    /// </summary>
    public int MaxAhead { get; init; } = DefaultMaxAhead;

    /// <summary>Periods whose times are kept for a trace, the last ones; 0: none are recorded. Memory: 17 bytes an operation and period, taken at once.</summary>
    public int MaxTracePeriods { get; init; }

    /// <summary>The clock of the trace.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
