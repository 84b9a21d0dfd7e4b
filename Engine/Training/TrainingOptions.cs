using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.States;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Training;

/// <summary>
/// What a user asks of a training run. Null: decided from the model and data, and reported; in a resume, what the run had. Defaults of new
/// runs: docs/command-line.md.
/// </summary>
public sealed record TrainingOptions
{
    /// <summary>Hub folder of the model; null only in a resume, which has copies of what it needs.</summary>
    public string? ModelFolder { get; init; }

    /// <summary>Start from random weights of the model folder's config.json; the folder needs no weights.</summary>
    public bool FromScratch { get; init; }

    /// <summary>.txt and .jsonl files; empty only in a resume, which has their tokens.</summary>
    public IReadOnlyList<string> DataFiles { get; init; } = [];

    /// <summary>Files for evaluation alone; empty: a share of the data is set aside.</summary>
    public IReadOnlyList<string> EvalFiles { get; init; } = [];

    /// <summary>Share of the data that is set aside for evaluation if there are no <see cref="EvalFiles"/>; 0: none.</summary>
    public double? EvalFraction { get; init; }

    /// <summary>Folder of the run.</summary>
    public required string OutputFolder { get; init; }

    /// <summary>Continue what is in <see cref="OutputFolder"/>.</summary>
    public bool Resume { get; init; }

    /// <summary>Optimizer steps; null: <see cref="Epochs"/>.</summary>
    public long? Steps { get; init; }

    /// <summary>Passes over the data if <see cref="Steps"/> is null.</summary>
    public double? Epochs { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public int? SequenceTokens { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    public int? MicroBatchSequences { get; init; }

    /// <summary>Tokens of a step.</summary>
    public long? TokensPerStep { get; init; }

    /// <summary>Peak learning rate.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Shape of the learning rate.</summary>
    public ScheduleKind? Schedule { get; init; }

    /// <summary>Steps of warm-up; null: 3 % of the run.</summary>
    public long? WarmupSteps { get; init; }

    /// <summary>Decay rate of the first moment.</summary>
    public double? Beta1 { get; init; }

    /// <summary>Decay rate of the second moment.</summary>
    public double? Beta2 { get; init; }

    /// <summary>Added to the root of the second moment.</summary>
    public double? Epsilon { get; init; }

    /// <summary>Decoupled weight decay.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>What is decayed.</summary>
    public WeightDecayScope? WeightDecayScope { get; init; }

    /// <summary>Clip gradients to this global norm; 0: off.</summary>
    public double? MaxGradNorm { get; init; }

    /// <summary>Seed of everything random.</summary>
    public long? Seed { get; init; }

    /// <summary>Element type of compute.</summary>
    public ComputeType? Type { get; init; }

    /// <summary>What computes; null: the CPU, or what the resumed run has.</summary>
    public ComputeDevice? Device { get; init; }

    /// <summary>Kernels that add up in one order alone; null: no, or what the resumed run has. The CPU's always do.</summary>
    public bool? IsDeterministic { get; init; }

    /// <summary>Number of the GPU.</summary>
    public int GpuOrdinal { get; init; }

    /// <summary>Threads of libtorch's CPU kernels; null: the machine's cores.</summary>
    public int? Threads { get; init; }

    /// <summary>Evaluate after every so many steps; null: at the beginning and end alone.</summary>
    public long? EvalEverySteps { get; init; }

    /// <summary>Time between checkpoints of states in memory; those on drives go by <see cref="CommitEverySteps"/>.</summary>
    public TimeSpan CheckpointEvery { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Checkpoint after every so many steps as well; null: by time alone.</summary>
    public long? CheckpointEverySteps { get; init; }

    /// <summary>Folders on drives, in which the states live; empty: in memory, or where the resumed run has them. Several are striped.</summary>
    public IReadOnlyList<string> NvmeFolders { get; init; } = [];

    /// <summary>States on drives are committed after every so many steps; null: after each. Not for states in memory, nor with a single generation.</summary>
    public long? CommitEverySteps { get; init; }

    /// <summary>Of a new store on drives: keep one generation, in half the room; a crash between the beginning of a step and its commit loses the states.</summary>
    public bool SingleGeneration { get; init; }

    /// <summary>What the drives of the states are rated for, all together: terabytes written in their life; null: not known.</summary>
    public double? RatingTerabytes { get; init; }

    /// <summary>Stop when so many steps in a row had a loss or gradient that is not finite.</summary>
    public int MaxSkippedSteps { get; init; } = 10;

    /// <summary>What a step does whose loss or gradient is not finite.</summary>
    public NonFiniteAction OnNonFinite { get; init; }

    /// <summary>Ceiling on CPU memory; null: what is free.</summary>
    public long? CpuMemoryBytes { get; init; }

    /// <summary>Threads of the optimizer; null: as many as <see cref="Threads"/>. Without effect on the numbers.</summary>
    public int? UpdateThreads { get; init; }

    /// <summary>Ceiling on GPU memory; swaps the model between tiers. Null: no ceiling of its own.</summary>
    public long? GpuMemoryBytes { get; init; }

    /// <summary>Order of a swapped step; null: the planner's choice.</summary>
    public StepOrder? Order { get; init; }

    /// <summary>When a swapped step updates its units; null: the planner's choice.</summary>
    public UpdateMode? Update { get; init; }

    /// <summary>Where the states of a swapped model live, in CPU memory or on the drives; null: the planner's choice.</summary>
    public Tier? States { get; init; }

    /// <summary>File of a plan that was made before; null: one is made.</summary>
    public string? PlanFile { get; init; }

    /// <summary>File or name of the hardware profile that the planner goes by; null: its default.</summary>
    public string? Hardware { get; init; }

    /// <summary>Makes a swapped step one operation at a time.</summary>
    public bool IsSequential { get; init; }

    /// <summary>Parameters of a tile of a new store.</summary>
    internal long TileParameters { get; init; } = StoreDescription.DefaultTileParameters;

    /// <summary>How the store's files are opened; null: as usual. For tests.</summary>
    internal StoreFilesOptions? StoreFiles { get; init; }

    /// <summary>Makes the run's model; null: as the other options say. For tests.</summary>
    internal RunModelFactory? CreateModel { get; init; }

    /// <summary>Write the trained model in Hub layout at the end, below the run's folder.</summary>
    public bool Export { get; init; } = true;
}
