using System.CommandLine;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Training;
using Offload.Profiles;

namespace Offload.Cli;

/// <summary>The options of <c>offload train</c> and what they mean to the engine.</summary>
internal static class TrainingArguments
{
    private static readonly TrainingOptions Defaults = new() { OutputFolder = "" };

    /// <summary>Ten years: longer than a run, shorter than what a time span holds.</summary>
    private const double MaxMinutes = 5_256_000;

    internal static Option<bool> FromScratch { get; } = new("--from-scratch") { Description = "Start from random weights; --model needs config.json and tokenizer alone" };
    private static readonly Option<string[]> EvalData = new("--eval-data") { Description = "Evaluation data; repeat it for several files", HelpName = "FILE", DefaultValueFactory = _ => [] };
    private static readonly Option<double?> EvalFraction = CommonOptions.Number("--eval-fraction", "Share of --data to set aside for evaluation [0.05, at most 200 sequences]; 0: none");
    private static readonly Option<double?> Epochs = CommonOptions.Number("--epochs", "Passes over the data if --steps is not given [1]");
    private static readonly Option<string?> LrSchedule = CommonOptions.OneOf("--lr-schedule", "Learning rate after warm-up [linear]", "linear", "cosine", "constant");
    private static readonly Option<long?> WarmupSteps = CommonOptions.Count("--warmup-steps", "N", "Steps of linear warm-up [3 % of the run]", least: 0);
    private static readonly Option<double?> WeightDecay = CommonOptions.Number("--weight-decay", "Decoupled weight decay [0.01]");
    private static readonly Option<string?> WeightDecayOn = CommonOptions.OneOf("--weight-decay-on", "What is decayed: matrices alone, or norms and biases too [matrices]", "matrices", "all");
    private static readonly Option<double?> Beta1 = CommonOptions.Number("--beta1", "AdamW's decay of the first moment [0.9]");
    private static readonly Option<double?> Beta2 = CommonOptions.Number("--beta2", "AdamW's decay of the second moment [0.999]");
    private static readonly Option<double?> Epsilon = CommonOptions.Number("--epsilon", "AdamW's epsilon [1e-8]");
    private static readonly Option<long?> EvalEvery = CommonOptions.Count("--eval-every", "STEPS", "Evaluate after every so many steps [at the beginning and end]");
    private static readonly Option<double?> CheckpointEvery = CommonOptions.Number("--checkpoint-every", "Minutes between checkpoints of states in memory [30]; with --nvme see --commit-every");
    private static readonly Option<long?> CheckpointEverySteps = CommonOptions.Count("--checkpoint-every-steps", "N", "Checkpoint states in memory after every so many steps too");
    private static readonly Option<long?> CommitEvery = CommonOptions.Count("--commit-every", "STEPS", "With --nvme: commit after every so many steps [1]");
    private static readonly Option<bool> SingleGeneration = new("--single-generation") { Description = "With --nvme: half the room on the drives; a crash or power cut inside a step then loses the run; not with --commit-every" };
    private static readonly Option<double?> Tbw = CommonOptions.Number("--tbw", "Terabytes that the drives of --nvme are rated for, all together: shows how long they last");
    private static readonly Option<long?> MaxSkippedSteps = CommonOptions.Count("--max-skipped-steps", "N", "Stop when so many steps in a row had a NaN or infinity [10]");
    private static readonly Option<string?> OnNaN = CommonOptions.OneOf("--on-nan", "Skip a step with a NaN or infinity, or stop before it [skip]", "skip", "stop");
    private static readonly Option<bool> NoExport = new("--no-export") { Description = "Do not write the trained model below --output at the end" };

    private static readonly Option[] All =
    [
        CommonOptions.Model, FromScratch, CommonOptions.Data, EvalData, EvalFraction, CommonOptions.Output, CommonOptions.Resume, CommonOptions.Steps, Epochs,
        CommonOptions.SeqLen, CommonOptions.MicroBatch, CommonOptions.TokensPerStep, CommonOptions.Lr, LrSchedule, WarmupSteps, WeightDecay, WeightDecayOn,
        Beta1, Beta2, Epsilon, CommonOptions.MaxGradNorm, CommonOptions.Seed, CommonOptions.Dtype, CommonOptions.Device, CommonOptions.Deterministic, CommonOptions.Threads,
        CommonOptions.CpuMemory, CommonOptions.Nvme, CommitEvery, SingleGeneration, Tbw, EvalEvery, CheckpointEvery, CheckpointEverySteps, MaxSkippedSteps, OnNaN,
        CommonOptions.UpdateThreads, .. SwapArguments.All, NoExport,
    ];

    /// <summary>Adds them to a command.</summary>
    public static void AddTo(Command command)
    {
        foreach (Option option in All)
        {
            command.Add(option);
        }
    }

    /// <summary>Reads them.</summary>
    /// <exception cref="UsageException">A required option is missing, or a value makes no sense.</exception>
    public static TrainingOptions Read(CommandContext context) => new()
    {
        ModelFolder = context.Get(CommonOptions.Model) ?? (context.Get(CommonOptions.Resume) ? null : throw Missing(CommonOptions.Model, "a Hugging Face model folder")),
        FromScratch = context.Get(FromScratch),
        DataFiles = context.Get(CommonOptions.Data) is { Length: > 0 } files ? files : context.Get(CommonOptions.Resume) ? [] : throw Missing(CommonOptions.Data, "a .txt or .jsonl file"),
        EvalFiles = context.Get(EvalData)!,
        EvalFraction = context.Get(EvalFraction),
        OutputFolder = context.Get(CommonOptions.Output) ?? throw Missing(CommonOptions.Output, "a folder for the run"),
        Resume = context.Get(CommonOptions.Resume),
        Steps = context.Get(CommonOptions.Steps),
        Epochs = AboveZero(context, Epochs),
        SequenceTokens = ToInt(context, CommonOptions.SeqLen),
        MicroBatchSequences = ToInt(context, CommonOptions.MicroBatch),
        TokensPerStep = context.Get(CommonOptions.TokensPerStep),
        LearningRate = context.Get(CommonOptions.Lr),
        Schedule = context.Get(LrSchedule) is { } schedule ? Enum.Parse<ScheduleKind>(schedule, ignoreCase: true) : null,
        WarmupSteps = context.Get(WarmupSteps),
        Beta1 = context.Get(Beta1),
        Beta2 = context.Get(Beta2),
        Epsilon = context.Get(Epsilon),
        WeightDecay = context.Get(WeightDecay),
        WeightDecayScope = context.Get(WeightDecayOn) is { } scope ? Enum.Parse<WeightDecayScope>(scope, ignoreCase: true) : null,
        MaxGradNorm = context.Get(CommonOptions.MaxGradNorm),
        Seed = context.Get(CommonOptions.Seed),
        Type = ReadType(context),
        Device = ReadDevice(context),
        IsDeterministic = context.Get(CommonOptions.Deterministic) ? true : null,
        GpuOrdinal = context.Get(CommonOptions.Device)?.Index ?? 0,
        Threads = ToInt(context, CommonOptions.Threads),
        EvalEverySteps = context.Get(EvalEvery),
        CheckpointEvery = Minutes(context, CheckpointEvery) ?? Defaults.CheckpointEvery,
        CheckpointEverySteps = context.Get(CheckpointEverySteps),
        NvmeFolders = context.Get(CommonOptions.Nvme)!,
        CommitEverySteps = context.Get(CommitEvery),
        SingleGeneration = context.Get(SingleGeneration),
        RatingTerabytes = AboveZero(context, Tbw),
        MaxSkippedSteps = ToInt(context, MaxSkippedSteps) ?? Defaults.MaxSkippedSteps,
        OnNonFinite = context.Get(OnNaN) == "stop" ? NonFiniteAction.Stop : NonFiniteAction.Skip,
        CpuMemoryBytes = context.Get(CommonOptions.CpuMemory),
        UpdateThreads = ToInt(context, CommonOptions.UpdateThreads),
        GpuMemoryBytes = context.Get(CommonOptions.GpuMemory),
        Order = SwapArguments.ReadOrder(context),
        Update = SwapArguments.ReadUpdate(context),
        States = SwapArguments.ReadStates(context),
        PlanFile = context.Get(SwapArguments.Plan),
        Hardware = context.Get(SwapArguments.Hardware),
        IsSequential = context.Get(SwapArguments.Sequential),
        Export = !context.Get(NoExport),
    };

    /// <summary>The value of <c>--dtype</c>; null if not given.</summary>
    public static ComputeType? ReadType(CommandContext context) => context.Get(CommonOptions.Dtype) switch
    {
        "float32" => ComputeType.Float32,
        "bfloat16" => ComputeType.BFloat16,
        _ => null,
    };

    /// <summary>The value of <c>--device</c>; null if not given.</summary>
    public static ComputeDevice? ReadDevice(CommandContext context) => context.Get(CommonOptions.Device)?.Type switch
    {
        null => null,
        TorchSharp.DeviceType.CUDA => ComputeDevice.Cuda,
        _ => ComputeDevice.Cpu,
    };

    /// <summary>An option's value as a 32-bit number; null if not given.</summary>
    /// <exception cref="UsageException">It is larger than any that makes sense.</exception>
    public static int? ToInt(CommandContext context, Option<long?> option) => context.Get(option) switch
    {
        null => null,
        <= int.MaxValue and long value => (int)value,
        long value => throw new UsageException($"{option.Name}: expected at most {int.MaxValue}, found {value}"),
    };

    /// <summary>Refuses devices that this command cannot use yet.</summary>
    /// <exception cref="UsageException">Not the CPU.</exception>
    public static void RequireCpu(CommandContext context)
    {
        if (context.Get(CommonOptions.Device) is { Type: not TorchSharp.DeviceType.CPU })
        {
            throw new UsageException("--device: expected cpu, found cuda: this command does not compute on a GPU yet", "leave --device out, or give --device cpu");
        }
    }

    private static TimeSpan? Minutes(CommandContext context, Option<double?> option) => AboveZero(context, option) is not double value ? null
        : value <= MaxMinutes ? TimeSpan.FromMinutes(value)
        : throw new UsageException($"{option.Name}: expected at most {MaxMinutes} minutes, found {value}");

    private static double? AboveZero(CommandContext context, Option<double?> option) => context.Get(option) is not double value ? null
        : value > 0 ? value
        : throw new UsageException($"{option.Name}: expected a number above 0, found {value}");

    private static UsageException Missing(Option option, string what) => new($"{option.Name} is missing: expected {what}", "offload train --help lists all options");
}
