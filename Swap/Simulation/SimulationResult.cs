using Offload.Swap.Schedules;

namespace Offload.Swap.Simulation;

/// <summary>What a schedule does on the virtual clock. Immutable; any thread.</summary>
public sealed class SimulationResult
{
    internal static readonly int NumLanes = Enum.GetValues<Lane>().Length;

    private readonly LaneAccount _account;

    internal SimulationResult(LaneAccount account, long firstPeriod, double[] startSeconds, double[] endSeconds, sbyte[] waitedForLane)
    {
        _account = account;
        FirstPeriod = firstPeriod;
        StartSeconds = startSeconds;
        EndSeconds = endSeconds;
        WaitedForLane = waitedForLane;
    }

    /// <summary>Time from one period to the next once it is steady: the step time.</summary>
    public double PeriodSeconds => _account.PeriodSeconds;

    /// <summary>The period with which the times of single operations begin: 0, or that before the last.</summary>
    public long FirstPeriod { get; }

    /// <summary>Begin of every operation of every period kept: period by period, in program order.</summary>
    public IReadOnlyList<double> StartSeconds { get; }

    /// <summary>End of every operation.</summary>
    public IReadOnlyList<double> EndSeconds { get; }

    /// <summary>The lane that each operation waited for last, or <see cref="Operation.None"/>.</summary>
    public IReadOnlyList<sbyte> WaitedForLane { get; }

    /// <summary>Seconds of a steady period in which a lane works.</summary>
    public double BusySeconds(Lane lane) => _account.BusySeconds((int)lane);

    /// <summary>Seconds of a steady period in which a lane waits for another: each gap counts for the lane that ended it.</summary>
    /// <param name="lane">Who waits.</param>
    /// <param name="waitsFor">For whom.</param>
    public double IdleSeconds(Lane lane, Lane waitsFor) => _account.IdleSeconds((int)lane, (int)waitsFor);

    /// <summary>The lane that is busy longest.</summary>
    public Lane Bottleneck => Enum.GetValues<Lane>().MaxBy(BusySeconds);
}
