using Offload.Swap.Schedules;

namespace Offload.Swap.Simulation;

/// <summary>
/// Adds up what became of the lanes' time: simulated and recorded operations alike, so that the two compare. Of so many periods the first half
/// fills the pipeline and does not count, unless somebody knows better; a single one counts. One thread.
/// </summary>
internal sealed class LaneAccount
{
    private static readonly int NumLanes = SimulationResult.NumLanes;

    /// <summary>Waiting for what is no lane has a column of its own, before the lanes'.</summary>
    private static readonly int NumCauses = NumLanes + 1;

    private readonly int _steadyFrom;
    private readonly double[] _busySeconds = new double[NumLanes];
    private readonly double[] _idleSeconds = new double[NumLanes * NumCauses];
    private readonly double[] _lastEndSeconds = new double[NumLanes];
    private readonly double[] _warmEndSeconds = new double[NumLanes];

    /// <param name="numPeriods">Periods that will be added.</param>
    /// <param name="numSteady">The last ones, so many of which count; null: the second half.</param>
    public LaneAccount(int numPeriods, int? numSteady = null)
    {
        _steadyFrom = Math.Max(0, numPeriods - (numSteady ?? (numPeriods + 1) / 2));
        PeriodEndSeconds = new double[numPeriods];
    }

    /// <summary>When each period's last operation ended.</summary>
    public double[] PeriodEndSeconds { get; }

    /// <summary>
    /// Time from one period to the next once it is steady, of the lane that goes on slowest. A lane that is behind from the first periods, which do
    /// not count, and catches up in those that do would make the end of all come too soon.
    /// </summary>
    public double PeriodSeconds
    {
        get
        {
            double seconds = 0;
            for (int lane = 0; lane < NumLanes; lane++)
            {
                seconds = Math.Max(seconds, _lastEndSeconds[lane] - _warmEndSeconds[lane]);
            }

            return PeriodEndSeconds.Length == 0 ? 0 : seconds / NumSteady;
        }
    }

    private int NumSteady => PeriodEndSeconds.Length - _steadyFrom;

    /// <summary>Adds an operation; those of a lane in their order.</summary>
    /// <param name="lane">The lane.</param>
    /// <param name="period">Its period, from 0.</param>
    /// <param name="waitedFor">The lane it waited for last, or <see cref="Operation.None"/>.</param>
    /// <param name="startSeconds">Begin; the account's time begins at 0.</param>
    /// <param name="endSeconds">End.</param>
    public void Add(int lane, int period, int waitedFor, double startSeconds, double endSeconds)
    {
        if (period >= _steadyFrom)
        {
            _busySeconds[lane] += endSeconds - startSeconds;
            _idleSeconds[(lane * NumCauses) + waitedFor + 1] += startSeconds - _lastEndSeconds[lane];
        }

        else
        {
            _warmEndSeconds[lane] = endSeconds;
        }

        _lastEndSeconds[lane] = endSeconds;
        PeriodEndSeconds[period] = Math.Max(PeriodEndSeconds[period], endSeconds);
    }

    /// <summary>Seconds of a steady period in which a lane works.</summary>
    public double BusySeconds(int lane) => _busySeconds[lane] / NumSteady;

    /// <summary>Seconds of a steady period in which a lane waits.</summary>
    /// <param name="lane">Who waits.</param>
    /// <param name="waitsFor">For which lane, or <see cref="Operation.None"/>.</param>
    public double IdleSeconds(int lane, int waitsFor) => _idleSeconds[(lane * NumCauses) + waitsFor + 1] / NumSteady;
}
