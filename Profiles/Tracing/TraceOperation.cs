namespace Offload.Profiles.Tracing;

/// <summary>One thing that one lane did, once. Immutable.</summary>
public sealed record TraceOperation
{
    /// <summary>Value of numbers that do not apply.</summary>
    public const int None = -1;

    /// <summary>Number of its operation in the program of a period; the same in all periods.</summary>
    public required int Index { get; init; }

    /// <summary>Index in <see cref="StepTrace.Lanes"/>.</summary>
    public required int Lane { get; init; }

    /// <summary>What it did: name of the kind of operation.</summary>
    public required string Kind { get; init; }

    /// <summary>Name of the unit it worked for; empty: no unit.</summary>
    public required string Unit { get; init; }

    /// <summary>Micro-batch, or <see cref="None"/>.</summary>
    public required int MicroBatch { get; init; }

    /// <summary>Tile of the unit's states, or <see cref="None"/>.</summary>
    public required int Tile { get; init; }

    /// <summary>Period it belongs to; lanes work at several periods at a time.</summary>
    public required long Period { get; init; }

    /// <summary>Begin, in seconds since the trace's.</summary>
    public required double StartSeconds { get; init; }

    /// <summary>End, in seconds since the trace's begin.</summary>
    public required double EndSeconds { get; init; }

    /// <summary>The lane whose end of an operation let this one begin, an index in <see cref="StepTrace.Lanes"/>; <see cref="None"/>: it did not wait for a lane.</summary>
    public required int WaitedForLane { get; init; }

    /// <summary>Bytes over the lane's link; of an update: parameters.</summary>
    public long Amount { get; init; }

    /// <summary>Arithmetic, that of attention included.</summary>
    public double Flops { get; init; }
}
