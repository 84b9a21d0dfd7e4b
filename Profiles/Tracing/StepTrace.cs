namespace Offload.Profiles.Tracing;

/// <summary>What the lanes did over some periods of training: simulated and recorded traces look the same. Immutable.</summary>
public sealed record StepTrace
{
    /// <summary>Names of the lanes, those without work included.</summary>
    public required IReadOnlyList<string> Lanes { get; init; }

    /// <summary>All operations, period by period, in program order.</summary>
    public required IReadOnlyList<TraceOperation> Operations { get; init; }

    /// <summary>Whole periods in it.</summary>
    public required int NumPeriods { get; init; }

    /// <summary>
    /// Seconds from one period's end to the next's, the mean of the steady periods: those of the second half, or the last ones that whoever traced named.
    /// </summary>
    public required double PeriodSeconds { get; init; }

    /// <summary>When each period's last operation ended, in seconds since the trace's begin.</summary>
    public required IReadOnlyList<double> PeriodEndSeconds { get; init; }

    /// <summary>Busy and idle time of each lane, in the order of <see cref="Lanes"/>.</summary>
    public required IReadOnlyList<LaneSummary> Summaries { get; init; }
}
