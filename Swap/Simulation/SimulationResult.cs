using Offload.Swap.Schedules;

namespace Offload.Swap.Simulation;

/// <summary>What a schedule does on the virtual clock.</summary>
public sealed class SimulationResult
{
    internal static readonly int NumLanes = Enum.GetValues<Lane>().Length;

    private readonly double[] _busySeconds;
    private readonly double[] _idleSeconds;

    internal SimulationResult(double periodSeconds, double[] busySeconds, double[] idleSeconds, double[] startSeconds, double[] endSeconds)
    {
        PeriodSeconds = periodSeconds;
        _busySeconds = busySeconds;
        _idleSeconds = idleSeconds;
        StartSeconds = startSeconds;
        EndSeconds = endSeconds;
    }

    /// <summary>Time from one period to the next once it is steady: the step time.</summary>
    public double PeriodSeconds { get; }

    /// <summary>Begin of every operation of every period played: period by period, in program order.</summary>
    public IReadOnlyList<double> StartSeconds { get; }

    /// <summary>End of every operation.</summary>
    public IReadOnlyList<double> EndSeconds { get; }

    /// <summary>Seconds of a steady period in which a lane works.</summary>
    public double BusySeconds(Lane lane) => _busySeconds[(int)lane];

    /// <summary>Seconds of a steady period in which a lane waits for another.</summary>
    /// <param name="lane">Who waits.</param>
    /// <param name="waitsFor">For whom.</param>
    public double IdleSeconds(Lane lane, Lane waitsFor) => _idleSeconds[((int)lane * NumLanes) + (int)waitsFor];

    /// <summary>The lane that is busy longest.</summary>
    public Lane Bottleneck => Enum.GetValues<Lane>().MaxBy(BusySeconds);
}
