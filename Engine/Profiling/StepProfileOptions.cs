using Offload.Engine.Training;

namespace Offload.Engine.Profiling;

/// <summary>What a <see cref="StepProfiler"/> measures. Immutable.</summary>
public sealed record StepProfileOptions
{
    /// <summary>Steps that are measured by default: enough for a median.</summary>
    public const int DefaultSteps = 8;

    /// <summary>Steps before them by default: the first fills the pipeline, and touches all memory for the first time.</summary>
    public const int DefaultWarmupSteps = 2;

    /// <summary>Most <see cref="Steps"/>: each operation of each is kept in memory, and a step may have a hundred thousand.</summary>
    public const int MaxSteps = 1000;

    /// <summary>
    /// The training set-up, swapped between tiers. Without data files it trains on random tokens. Its output folder has no meaning here; drives are used in a
    /// folder of their own below those that it names.
    /// </summary>
    public required TrainingOptions Training { get; init; }

    /// <summary>Steps that are measured.</summary>
    public int Steps { get; init; } = DefaultSteps;

    /// <summary>Steps before them.</summary>
    public int WarmupSteps { get; init; } = DefaultWarmupSteps;
}
