using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>What the simulator says of a steady step.</summary>
public sealed record PredictedStep
{
    /// <summary>From one step to the next.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>Lanes that have work, in the order of <see cref="Lane"/>.</summary>
    public required IReadOnlyList<PredictedLane> Lanes { get; init; }

    /// <summary>The lane that is busy longest.</summary>
    public required Lane Bottleneck { get; init; }

    /// <summary>Tokens trained on in a second.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Arithmetic of the model by convention, 10^12 a second: nothing for recomputation, attention at its causal half.</summary>
    public required double ModelTflops { get; init; }

    /// <summary>Arithmetic that the GPU really does, recomputation included, 10^12 a second.</summary>
    public required double HardwareTflops { get; init; }

    /// <summary>Bytes read from the drives in a step.</summary>
    public required long SsdReadBytes { get; init; }

    /// <summary>Bytes written to the drives in a step.</summary>
    public required long SsdWrittenBytes { get; init; }

    /// <summary>Days of training until the drives' rated endurance is used up; null: no rating is known; infinite: nothing is written.</summary>
    public required double? DriveLifeDays { get; init; }
}
