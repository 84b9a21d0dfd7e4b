using Offload.Profiles;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Training;

/// <summary>The options that say how a model is swapped between tiers.</summary>
internal static class SwapOptions
{
    /// <summary>The first option that is given and has the model swapped, by its name on the command line; null: the model is resident.</summary>
    public static string? FirstThatSwaps(TrainingOptions options) =>
        options.PlanFile is not null ? "--plan"
        : options.GpuMemoryBytes is not null ? "--gpu-memory"
        : options.Order is not null ? "--schedule"
        : options.Update is not null ? "--update"
        : options.Device == ComputeDevice.Cuda ? "--device cuda"
        : null;

    /// <summary>Refuses options that contradict each other, or would be without effect.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="before">Of the run that is resumed; null for one that begins.</param>
    /// <param name="areStatesOnDrives">Whether the run has a store on drives.</param>
    /// <exception cref="UsageException">They do.</exception>
    public static void Check(TrainingOptions options, RunSettings? before, bool areStatesOnDrives)
    {
        if (FirstThatSwaps(options) is null)
        {
            RequireLeftOut(options.States is not null, "--states");
            RequireLeftOut(options.Hardware is not null, "--hardware");
            RequireLeftOut(options.IsSequential, "--sequential");
            return;
        }

        if (options.PlanFile is { } plan)
        {
            CheckPlan(options, plan);
        }

        if (options.States == Tier.Nvme && !areStatesOnDrives)
        {
            throw new UsageException("--states nvme: expected --nvme with it", "name a folder on each drive");
        }

        if (options.Update is { } update)
        {
            CheckUpdate(update, options, before);
        }
    }

    /// <summary>Refuses an update mode that the run's other settings rule out, be it asked for or in a plan.</summary>
    /// <exception cref="UsageException">They do.</exception>
    public static void CheckUpdate(UpdateMode update, TrainingOptions options, RunSettings? before)
    {
        if (update == UpdateMode.Immediate)
        {
            CheckImmediate(options, before);
        }
    }

    private static void CheckPlan(TrainingOptions options, string plan)
    {
        string? decided = options.Order is not null ? "--schedule" : options.Update is not null ? "--update" : options.States is not null ? "--states" : null;
        if (decided is not null)
        {
            throw new UsageException($"{decided}: expected no --plan with it", $"the plan decides that: leave one of the two out");
        }

        if (!File.Exists(plan))
        {
            throw new UsageException($"--plan {plan}: expected the file of a plan, found {(Directory.Exists(plan) ? "a folder" : "none")}");
        }
    }

    /// <summary>Units are updated before the whole gradient is known: it can neither be clipped, nor the step be skipped.</summary>
    private static void CheckImmediate(TrainingOptions options, RunSettings? before)
    {
        double maxGradNorm = options.MaxGradNorm ?? before?.MaxGradNorm ?? RunSetup.DefaultMaxGradNorm;
        if (maxGradNorm != 0)
        {
            throw new UsageException(
                FormattableString.Invariant($"immediate updates: expected --max-grad-norm 0, found {maxGradNorm}"), "units are updated before the norm is known; --update speculative clips all the same");
        }

        if (options.OnNonFinite != NonFiniteAction.Stop)
        {
            throw new UsageException("immediate updates: expected --on-nan stop with them", "units are updated before it is known that a step is to be skipped");
        }
    }

    private static void RequireLeftOut(bool isGiven, string option)
    {
        if (isGiven)
        {
            throw new UsageException($"{option}: expected --gpu-memory, --schedule, --update or --plan with it", "it is about a model that is swapped between tiers");
        }
    }
}
