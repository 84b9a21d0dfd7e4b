namespace Offload.Engine.Profiling;

/// <summary>What a <see cref="StepProfiler"/> found, in numbers. Immutable.</summary>
public sealed record StepProfile
{
    /// <summary>Name of the model's folder.</summary>
    public required string Model { get; init; }

    /// <summary>Parameters, a tied matrix once.</summary>
    public required long NumParameters { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    public required int MicroBatchSequences { get; init; }

    /// <summary>Micro-batches of a step.</summary>
    public required int NumMicroBatches { get; init; }

    /// <summary>Order of the step.</summary>
    public required string Order { get; init; }

    /// <summary>When units are updated.</summary>
    public required string Update { get; init; }

    /// <summary>Where everything was.</summary>
    public required StepProfilePlan Plan { get; init; }

    /// <summary>Steps that were measured.</summary>
    public required int Steps { get; init; }

    /// <summary>Time of each, in order: from the end of the last operation of the step before to that of its own.</summary>
    public required IReadOnlyList<double> StepSecondsEach { get; init; }

    /// <summary>Their median.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>Tokens of a step over the median.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>10^12 FLOP a second by convention, at the median.</summary>
    public required double ModelTflops { get; init; }

    /// <summary>Whose rates the prediction goes by.</summary>
    public required string Hardware { get; init; }

    /// <summary>Nobody has measured these rates: the prediction is a guess.</summary>
    public required bool IsPredictionGuessed { get; init; }

    /// <summary>What the simulator says of a steady step.</summary>
    public required double PredictedStepSeconds { get; init; }

    /// <summary>The lane whose busy time differs most from the prediction, in seconds.</summary>
    public required string MostDifferentLane { get; init; }

    /// <summary>The lane that was busy longest.</summary>
    public required string Bottleneck { get; init; }

    /// <summary>Lanes that have work.</summary>
    public required IReadOnlyList<LaneProfile> Lanes { get; init; }

    /// <summary>Memory that was in use at most.</summary>
    public required StepProfileMemory Memory { get; init; }

    /// <summary>Bytes that a step read from the drives, checksums and padding included: the mean of all steps, those of the warm-up too.</summary>
    public required double SsdBytesReadPerStep { get; init; }

    /// <summary>Bytes that a step wrote to them.</summary>
    public required double SsdBytesWrittenPerStep { get; init; }
}
