using System.Globalization;
using System.Text.Json.Serialization;
using Offload.Engine.Optimizers;

namespace Offload.Engine.Training;

/// <summary>All that decides the numbers of a run, resolved; stored with it as run.json. A resume must ask for the same.</summary>
public sealed record RunSettings
{
    /// <summary>Version of the run folder's layout.</summary>
    public const int CurrentVersion = 2;

    /// <summary>Version of the run folder's layout.</summary>
    public required int Version { get; init; }

    /// <summary>Identity of the run, random: its store has it too.</summary>
    public required string Run { get; init; }

    /// <summary>What fixes the bits.</summary>
    public required RunNumerics Numerics { get; init; }

    /// <summary>Optimizer steps.</summary>
    public required long Steps { get; init; }

    /// <summary>Sequences of a step.</summary>
    public required long SequencesPerStep { get; init; }

    /// <summary>Learning rates.</summary>
    public required LearningRateSchedule LearningRate { get; init; }

    /// <summary>Decay rate of the first moment.</summary>
    public required double Beta1 { get; init; }

    /// <summary>Decay rate of the second moment.</summary>
    public required double Beta2 { get; init; }

    /// <summary>Added to the root of the second moment.</summary>
    public required double Epsilon { get; init; }

    /// <summary>Decoupled weight decay.</summary>
    public required double WeightDecay { get; init; }

    /// <summary>What is decayed.</summary>
    public required WeightDecayScope WeightDecayScope { get; init; }

    /// <summary>Clip gradients to this global norm; 0: off.</summary>
    public required double MaxGradNorm { get; init; }

    /// <summary>Share of the data that is set aside for evaluation; 0 if evaluation has files of its own.</summary>
    public required double EvalFraction { get; init; }

    /// <summary>Training data.</summary>
    public required IReadOnlyList<RunInput> DataFiles { get; init; }

    /// <summary>Evaluation's own data; empty if it has none.</summary>
    public required IReadOnlyList<RunInput> EvalFiles { get; init; }

    /// <summary>XxHash3 of the training tokens.</summary>
    public required string DataHash { get; init; }

    /// <summary>XxHash3 of the evaluation tokens; null if evaluation has no files of its own.</summary>
    public required string? EvalDataHash { get; init; }

    /// <summary>Hash of the weights that the run began with.</summary>
    public required string InitialWeightsHash { get; init; }

    /// <summary>Names of the fields in which two runs differ, with both values.</summary>
    internal IEnumerable<string> DifferencesFrom(RunSettings other)
    {
        foreach ((string name, Func<RunSettings, object?> get) in Fields)
        {
            object? mine = get(this);
            object? theirs = get(other);
            if (!Equals(mine, theirs))
            {
                yield return $"{name}: {Format(theirs)} before, {Format(mine)} now";
            }
        }
    }

    /// <summary>A value as the command line spells it.</summary>
    private static string Format(object? value) => value switch
    {
        null => "none",
        Enum word => word.ToString().ToLowerInvariant(),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    [JsonIgnore]
    private static IReadOnlyList<(string Name, Func<RunSettings, object?> Get)> Fields { get; } =
    [
        ("--device", run => run.Numerics.Device),
        ("--deterministic", run => run.Numerics.IsDeterministic),
        ("--dtype", run => run.Numerics.Type),
        ("--seq-len", run => run.Numerics.SequenceTokens),
        ("--micro-batch", run => run.Numerics.MicroBatchSequences),
        ("--seed", run => run.Numerics.Seed),
        ("--threads", run => run.Numerics.ComputeThreads),
        ("head chunk", run => run.Numerics.HeadChunkTokens),
        ("--steps", run => run.Steps),
        ("sequences per step (--tokens-per-step)", run => run.SequencesPerStep),
        ("--lr", run => run.LearningRate.Peak),
        ("--lr-schedule", run => run.LearningRate.Kind),
        ("--warmup-steps", run => run.LearningRate.WarmupSteps),
        ("--beta1", run => run.Beta1),
        ("--beta2", run => run.Beta2),
        ("--epsilon", run => run.Epsilon),
        ("--weight-decay", run => run.WeightDecay),
        ("--weight-decay-on", run => run.WeightDecayScope),
        ("--max-grad-norm", run => run.MaxGradNorm),
        ("--eval-fraction", run => run.EvalFraction),
        ("tokens of the training data", run => run.DataHash),
        ("tokens of the evaluation data", run => run.EvalDataHash),
    ];
}
