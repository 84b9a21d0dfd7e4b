namespace Offload.Profiles.Tracing;

/// <summary>What became of a lane's time in one steady period: the mean of all steady periods. Immutable.</summary>
public sealed record LaneSummary
{
    /// <summary>Key in <see cref="IdleSeconds"/> of time in which no lane was in the way: the period was not asked for yet, or threads changed.</summary>
    public const string OtherCause = "other";

    /// <summary>The lane.</summary>
    public required string Name { get; init; }

    /// <summary>Seconds in which it worked.</summary>
    public required double BusySeconds { get; init; }

    /// <summary>
    /// Seconds in which it did not, by what it waited for: the name of a lane, or <see cref="OtherCause"/>. A gap counts whole for the lane
    /// that ended it. Causes that did not occur are left out.
    /// </summary>
    public required IReadOnlyDictionary<string, double> IdleSeconds { get; init; }
}
