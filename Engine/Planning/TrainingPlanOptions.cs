using Offload.Engine.Models;
using Offload.Profiles.Hardware;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Planning;

/// <summary>What a <see cref="TrainingPlanner"/> plans. Null: the planner or the model decides. Immutable.</summary>
public sealed record TrainingPlanOptions
{
    /// <summary>Model folder, or its config.json; nothing else of it is read.</summary>
    public required string ModelFolder { get; init; }

    /// <summary>The machine.</summary>
    public required HardwareProfile Hardware { get; init; }

    /// <summary>GPU memory that may be used; null: the profile's but for what the driver takes.</summary>
    public long? GpuMemoryBytes { get; init; }

    /// <summary>CPU memory that may be used; null: nine tenths of the profile's.</summary>
    public long? CpuMemoryBytes { get; init; }

    /// <summary>Room on the drives; null: the profile's.</summary>
    public long? NvmeBytes { get; init; }

    /// <summary>Tokens of a sequence; null: 1024, or the model's positions.</summary>
    public int? SequenceTokens { get; init; }

    /// <summary>Tokens of a step, rounded down to whole sequences; null: 16384.</summary>
    public long? TokensPerStep { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    public int? MicroBatchSequences { get; init; }

    /// <summary>Order of the work.</summary>
    public StepOrder Order { get; init; }

    /// <summary>When units are updated.</summary>
    public UpdateMode? Update { get; init; }

    /// <summary>Where optimizer states live: all on the drives, none there, or (null) as they fit.</summary>
    public Tier? States { get; init; }

    /// <summary>Element type of the compute.</summary>
    public ComputeType Type { get; init; } = ComputeType.BFloat16;

    /// <summary>Gradients are clipped to this norm; 0: they are not.</summary>
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>Counts states as the published systems hold them, 16 bytes a parameter read and 14 written in a step, and not as this program does.</summary>
    public bool CountsPublishedStates { get; init; }
}
