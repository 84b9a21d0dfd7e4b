using System.CommandLine;
using Offload.Cli.Rendering;
using Offload.Engine.Profiling;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Profiles.Rendering;

namespace Offload.Cli.Commands;

/// <summary><c>offload profile step</c>: some steps of a training set-up, and where their time goes.</summary>
internal static class ProfileStepCommand
{
    private static readonly Option<string[]> Data = new("--data")
    {
        Description = "Training data: .txt, or .jsonl with a field 'text'; repeat it for several files [random tokens]",
        HelpName = "FILE",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<long?> Steps = CommonOptions.Count("--steps", "N", $"Steps that are measured [{StepProfileOptions.DefaultSteps}]");
    private static readonly Option<long?> Warmup = CommonOptions.Count("--warmup", "N", $"Steps before them [{StepProfileOptions.DefaultWarmupSteps}]", least: 0);
    private static readonly Option<string[]> Timeline = new("--timeline")
    {
        Description = "Draw the steps, predicted and measured: a picture (.png), a page to zoom in (.html), or a trace for ui.perfetto.dev (.json); repeat it for more",
        HelpName = "FILE",
        DefaultValueFactory = _ => [],
    };

    internal static Command Create()
    {
        var command = new Command(
            "step",
            "Make some steps of a training set-up that swaps its model between tiers, and tell where their time goes: lanes busy, idle and why, rates, memory, predicted against measured. Trains in folders of its own, which it removes; takes the options of train");
        foreach (Option option in (Option[])
            [CommonOptions.Model, TrainingArguments.FromScratch, Data, Steps, Warmup, Timeline, .. SwapArguments.All, CommonOptions.CpuMemory, CommonOptions.Nvme, CommonOptions.SeqLen,
             CommonOptions.TokensPerStep, CommonOptions.MicroBatch, CommonOptions.MaxGradNorm, CommonOptions.Seed, CommonOptions.Dtype, CommonOptions.Device, CommonOptions.Deterministic, CommonOptions.Threads, CommonOptions.UpdateThreads])
        {
            command.Add(option);
        }

        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string[] timelines = context.Get(Timeline)!;
        foreach (string path in timelines)
        {
            TimelineFile.Check(Timeline.Name, path);
        }

        StepProfileOptions options = Read(context);
        context.LoadTorch(context.Get(CommonOptions.Device)?.Type ?? TorchSharp.DeviceType.CPU);
        StepProfileResult result = new StepProfiler(options, new TrainingOutput(context, TimeProvider.System), new LineLogger<StepProfiler>(context.Error, context.Verbose)).Run(context.Cancellation);
        StepProfile profile = result.Profile;
        foreach (string path in timelines)
        {
            TimelineFile.Write(
                path,
                $"{profile.Model}, {profile.Order}, {profile.Update}",
                StepProfileText.Notes(profile),
                new NamedTrace("predicted", result.Predicted),
                new NamedTrace("measured", result.Measured));
        }

        if (context.Json)
        {
            context.WriteJson(profile);
        }
        else
        {
            StepProfileText.Write(context.Output, profile);
        }

        return ExitCode.Done;
    }

    private static StepProfileOptions Read(CommandContext context) => new()
    {
        Training = new TrainingOptions
        {
            ModelFolder = context.Get(CommonOptions.Model) ?? throw new UsageException($"{CommonOptions.Model.Name} is missing: expected a Hugging Face model folder", "offload profile step --help lists all options"),
            OutputFolder = "",
            FromScratch = context.Get(TrainingArguments.FromScratch),
            DataFiles = context.Get(Data)!,
            SequenceTokens = TrainingArguments.ToInt(context, CommonOptions.SeqLen),
            MicroBatchSequences = TrainingArguments.ToInt(context, CommonOptions.MicroBatch),
            TokensPerStep = context.Get(CommonOptions.TokensPerStep),
            MaxGradNorm = context.Get(CommonOptions.MaxGradNorm),
            Seed = context.Get(CommonOptions.Seed),
            Type = TrainingArguments.ReadType(context),
            Device = TrainingArguments.ReadDevice(context),
            IsDeterministic = context.Get(CommonOptions.Deterministic),
            GpuOrdinal = context.Get(CommonOptions.Device)?.Index ?? 0,
            Threads = TrainingArguments.ToInt(context, CommonOptions.Threads),
            UpdateThreads = TrainingArguments.ToInt(context, CommonOptions.UpdateThreads),
            NvmeFolders = context.Get(CommonOptions.Nvme)!,
            CpuMemoryBytes = context.Get(CommonOptions.CpuMemory),
            GpuMemoryBytes = context.Get(CommonOptions.GpuMemory),
            Order = SwapArguments.ReadOrder(context),
            Update = SwapArguments.ReadUpdate(context),
            States = SwapArguments.ReadStates(context),
            PlanFile = context.Get(SwapArguments.Plan),
            Hardware = context.Get(SwapArguments.Hardware),
            IsSequential = context.Get(SwapArguments.Sequential),
        },
        Steps = TrainingArguments.ToInt(context, Steps) ?? StepProfileOptions.DefaultSteps,
        WarmupSteps = TrainingArguments.ToInt(context, Warmup) ?? StepProfileOptions.DefaultWarmupSteps,
    };
}
