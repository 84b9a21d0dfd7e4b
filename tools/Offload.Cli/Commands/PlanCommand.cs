using System.CommandLine;
using Offload.Cli.Rendering;
using Offload.Engine.Models;
using Offload.Engine.Planning;
using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Profiles.Rendering;
using Offload.Storage.Files;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;

namespace Offload.Cli.Commands;

/// <summary><c>offload plan</c>: how a model would be trained on a machine, and how fast; needs a config.json and a hardware profile, nothing else.</summary>
internal static class PlanCommand
{
    private static readonly Option<string?> Model = CommonOptions.Text("--model", "DIR", "Model folder, or its config.json; nothing else of it is read");
    private static readonly Option<string?> Hardware = CommonOptions.Text("--hardware", "FILE|NAME", $"The machine: a file that 'offload profile hardware' wrote, or one of {string.Join(", ", HardwareProfiles.Names)}");
    private static readonly Option<string[]> HardwareSet = new("--hardware-set")
    {
        Description = "Change a number of the hardware profile, such as gpu.memoryGiB=24; repeat it for more",
        HelpName = "NAME=NUMBER",
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<long?> NvmeCapacity = CommonOptions.Size("--nvme-capacity", "Room on the drives [the profile's]");
    private static readonly Option<string?> StateBytes = CommonOptions.OneOf("--state-bytes", "Count states as this program holds them, or as published systems do [exact]", "exact", "published");
    private static readonly Option<string?> Save = CommonOptions.Text("--save", "FILE", "Write the plan as JSON");
    private static readonly Option<string[]> Timeline = new("--timeline")
    {
        Description = "Draw the step: a picture (.png), a page to zoom in (.html), or a trace for ui.perfetto.dev (.json); repeat it for more",
        HelpName = "FILE",
        DefaultValueFactory = _ => [],
    };

    internal static Command Create()
    {
        var command = new Command("plan", "Plan the training of a model on a machine, here or elsewhere: tiers, slots, micro-batch, step time, memory, drive life; exit code 3 if nothing fits");
        foreach (Option option in (Option[])
            [Model, Hardware, HardwareSet, CommonOptions.GpuMemory, CommonOptions.CpuMemory, NvmeCapacity, CommonOptions.SeqLen, CommonOptions.TokensPerStep, CommonOptions.MicroBatch,
             SwapArguments.Schedule, SwapArguments.Update, SwapArguments.States, CommonOptions.Dtype, CommonOptions.MaxGradNorm, StateBytes, Save, Timeline])
        {
            command.Add(option);
        }

        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string? save = context.Get(Save);
        NewFile.Require(Save.Name, save);
        string[] timelines = context.Get(Timeline)!;
        foreach (string path in timelines)
        {
            TimelineFile.Check(Timeline.Name, path);
        }

        TrainingPlan plan = TrainingPlanner.Plan(Read(context));
        IReadOnlyList<PlanAdvice> advice = plan.Result.Step is { } step ? PlanAdvisor.Advise(plan.Request, step) : [];
        var report = PlanReport.Of(plan, advice);
        if (plan.Saved is { } saved)
        {
            if (save is not null)
            {
                AtomicFile.Write(save, PlanFile.Format(saved));
            }

            Draw(plan, report, timelines);
        }

        if (context.Json)
        {
            context.WriteJson(report);
        }
        else
        {
            PlanText.Write(plan.Result.IsFeasible ? context.Output : context.Error, plan, advice);
        }

        return plan.Result.IsFeasible ? ExitCode.Done : ExitCode.Infeasible;
    }

    private static TrainingPlanOptions Read(CommandContext context)
    {
        string hardware = context.Get(Hardware)
            ?? throw new UsageException($"{Hardware.Name} is missing: expected a hardware profile", $"'offload profile hardware --output FILE' measures this machine; or one of {string.Join(", ", HardwareProfiles.Names)}");
        return new TrainingPlanOptions
        {
            ModelFolder = context.Get(Model) ?? throw new UsageException($"{Model.Name} is missing: expected a folder with a config.json", "a Hugging Face model folder, or its config.json alone"),
            Hardware = HardwareOverride.Apply(HardwareProfiles.Load(hardware), context.Get(HardwareSet)!),
            GpuMemoryBytes = context.Get(CommonOptions.GpuMemory),
            CpuMemoryBytes = context.Get(CommonOptions.CpuMemory),
            NvmeBytes = context.Get(NvmeCapacity),
            SequenceTokens = TrainingArguments.ToInt(context, CommonOptions.SeqLen),
            TokensPerStep = context.Get(CommonOptions.TokensPerStep),
            MicroBatchSequences = TrainingArguments.ToInt(context, CommonOptions.MicroBatch),
            Order = SwapArguments.ReadOrder(context) ?? StepOrder.LayerMajor,
            States = SwapArguments.ReadStates(context),
            Update = SwapArguments.ReadUpdate(context),
            Type = TrainingArguments.ReadType(context) ?? ComputeType.BFloat16,
            // The published systems do not clip.
            MaxGradNorm = context.Get(CommonOptions.MaxGradNorm) ?? (context.Get(StateBytes) == "published" ? 0 : 1),
            CountsPublishedStates = context.Get(StateBytes) == "published",
        };
    }

    private static void Draw(TrainingPlan plan, PlanReport report, string[] timelines)
    {
        if (timelines.Length == 0)
        {
            return;
        }

        var trace = new NamedTrace("predicted", TrainingPlanner.Trace(plan));
        string title = $"{plan.Model} on {plan.Request.Hardware.Name}";
        string[] notes = [FormattableString.Invariant($"{report.TokensPerSecond:N0} tokens/s, {report.ModelTflops:F1} model TFLOP/s; the bottleneck is {report.Bottleneck}. Simulated.")];
        foreach (string path in timelines)
        {
            TimelineFile.Write(path, title, notes, trace);
        }
    }
}
