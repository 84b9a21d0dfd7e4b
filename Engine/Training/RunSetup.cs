using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>Turns what is asked into what is done: fills defaults in and refuses what the model cannot do.</summary>
internal static class RunSetup
{
    /// <summary>Norm to which gradients are clipped by default.</summary>
    public const double DefaultMaxGradNorm = 1;

    /// <summary>Tokens of a sequence by default, if the model has as many positions.</summary>
    private const int DefaultSequenceTokens = 1024;

    /// <summary>Rows of a micro-batch by default: large enough for matrix products at full rate, small enough to fit anywhere.</summary>
    private const int DefaultMicroBatchTokens = 2048;

    /// <summary>Tokens of a step by default: a usual batch of fine-tuning, 16 sequences of 1024.</summary>
    private const long DefaultTokensPerStep = 16384;

    /// <summary>Share of the run that warms up by default.</summary>
    private const double DefaultWarmup = 0.03;

    /// <summary>What fixes the bits.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="config">The model.</param>
    /// <param name="before">Of the run that is resumed: what is not asked for stays; null for a new run.</param>
    /// <exception cref="UsageException">The sequences are longer than the model can take, or than a step.</exception>
    public static RunNumerics Numerics(TrainingOptions options, DecoderConfig config, RunNumerics? before)
    {
        int sequenceTokens = options.SequenceTokens ?? before?.SequenceTokens ?? Math.Min(DefaultSequenceTokens, config.MaxPositions);
        CheckSequenceLength(sequenceTokens, config);
        if (options.TokensPerStep < sequenceTokens)
        {
            throw new UsageException($"--tokens-per-step {options.TokensPerStep}: expected at least --seq-len, {sequenceTokens}", "a step takes whole sequences");
        }

        ComputeDevice device = options.Device ?? before?.Device ?? ComputeDevice.Cpu;
        return new RunNumerics
        {
            Device = device,
            IsDeterministic = options.IsDeterministic ?? before?.IsDeterministic ?? false,
            Type = options.Type ?? before?.Type ?? ComputeType.BFloat16,
            SequenceTokens = sequenceTokens,
            MicroBatchSequences = options.MicroBatchSequences ?? before?.MicroBatchSequences ?? Math.Max(1, DefaultMicroBatchTokens / sequenceTokens),
            HeadChunkTokens = before?.HeadChunkTokens ?? (device == ComputeDevice.Cuda ? RunNumerics.GpuHeadChunkTokens : RunNumerics.DefaultHeadChunkTokens),
            Seed = options.Seed ?? before?.Seed ?? 0,
            ComputeThreads = options.Threads ?? before?.ComputeThreads ?? Environment.ProcessorCount,
        };
    }

    /// <summary>Refuses sequences that the model has no positions or no attention for.</summary>
    /// <exception cref="UsageException">The sequences are longer than the model can take.</exception>
    public static void CheckSequenceLength(int sequenceTokens, DecoderConfig config)
    {
        if (sequenceTokens < 2)
        {
            throw new UsageException($"--seq-len: expected at least 2 tokens, found {sequenceTokens}", "a token predicts the next one");
        }

        if (sequenceTokens > config.MaxPositions)
        {
            throw new UsageException(
                $"--seq-len {sequenceTokens}: expected at most {config.MaxPositions}, the model's max_position_embeddings", "choose a shorter --seq-len");
        }

        if (config.SlidingWindow is int window && sequenceTokens > window)
        {
            throw new UsageException(
                $"--seq-len {sequenceTokens}: expected at most {window}, the model's sliding_window", "longer sequences need sliding-window attention, which is not supported yet");
        }
    }

    /// <summary>Sequences of a step.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="numerics">From <see cref="Numerics"/>.</param>
    /// <param name="before">Of the run that is resumed: what is not asked for stays; null for a new run.</param>
    public static long SequencesPerStep(TrainingOptions options, RunNumerics numerics, RunSettings? before) =>
        options.TokensPerStep is null && before is not null
            ? before.SequencesPerStep
            : Math.Max(1, (options.TokensPerStep ?? DefaultTokensPerStep) / numerics.SequenceTokens);

    /// <summary>All that decides the numbers.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="numerics">From <see cref="Numerics"/>.</param>
    /// <param name="data">The tokens.</param>
    /// <param name="run">Identity of the run.</param>
    /// <param name="initialWeightsHash">Of the weights that the run began with.</param>
    /// <param name="before">Of the run that is resumed: what is not asked for stays; null for a new run.</param>
    public static RunSettings Settings(TrainingOptions options, RunNumerics numerics, TrainingData data, string run, string initialWeightsHash, RunSettings? before)
    {
        long sequencesPerStep = SequencesPerStep(options, numerics, before);
        long steps = options.Steps ?? (options.Epochs is null ? before?.Steps : null)
            ?? Math.Max(1, (long)Math.Ceiling((options.Epochs ?? 1) * data.Train.NumSequences / sequencesPerStep));
        return new RunSettings
        {
            Version = RunSettings.CurrentVersion,
            Run = run,
            Numerics = numerics,
            Steps = steps,
            SequencesPerStep = sequencesPerStep,
            LearningRate = new LearningRateSchedule(
                options.Schedule ?? before?.LearningRate.Kind ?? ScheduleKind.Linear,
                options.LearningRate ?? before?.LearningRate.Peak ?? 2e-5,
                options.WarmupSteps ?? before?.LearningRate.WarmupSteps ?? (long)Math.Round(DefaultWarmup * steps),
                steps),
            Beta1 = options.Beta1 ?? before?.Beta1 ?? 0.9,
            Beta2 = options.Beta2 ?? before?.Beta2 ?? 0.999,
            Epsilon = options.Epsilon ?? before?.Epsilon ?? 1e-8,
            WeightDecay = options.WeightDecay ?? before?.WeightDecay ?? 0.01,
            WeightDecayScope = options.WeightDecayScope ?? before?.WeightDecayScope ?? WeightDecayScope.Matrices,
            MaxGradNorm = options.MaxGradNorm ?? before?.MaxGradNorm ?? DefaultMaxGradNorm,
            EvalFraction = data.EvalFraction,
            DataFiles = data.TrainFiles,
            EvalFiles = data.EvalFiles,
            DataHash = data.TrainHash,
            EvalDataHash = data.EvalHash,
            InitialWeightsHash = initialWeightsHash,
        };
    }

    /// <summary>One line for people.</summary>
    public static string Describe(RunSettings settings, ModelLayout layout, TrainingData data)
    {
        RunNumerics numerics = settings.Numerics;
        string evaluation = data.Eval is null ? "no evaluation" : $"{data.Eval.NumSequences:N0} for evaluation";
        return $"{layout.Config.ModelType}, {layout.NumParameters:N0} parameters, {numerics.Type.ToString().ToLowerInvariant()}; "
            + $"{data.NumTokens:N0} tokens in {data.Train.NumSequences:N0} sequences of {numerics.SequenceTokens} ({evaluation}); "
            + $"{settings.Steps:N0} steps of {settings.SequencesPerStep:N0} sequences, micro-batches of {numerics.MicroBatchSequences}";
    }
}
