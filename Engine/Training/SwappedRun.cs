using Microsoft.Extensions.Logging;
using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Engine.Planning;
using Offload.Engine.Swapping;
using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Storage.States;
using Offload.Swap;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;
using Offload.Swap.Schedules;

namespace Offload.Engine.Training;

/// <summary>How a run swaps its model between tiers, decided before anything large is allocated.</summary>
/// <param name="Numerics">What fixes the bits; a new run's micro-batch is the plan's if it was not given.</param>
/// <param name="Plan">All decisions.</param>
/// <param name="Work">The model as the plan sees it.</param>
/// <param name="GpuBytes">Ceiling on GPU memory.</param>
/// <param name="CpuBytes">Ceiling on CPU memory.</param>
internal sealed record SwappedRun(RunNumerics Numerics, SwapPlan Plan, Workload Work, long GpuBytes, long CpuBytes)
{
    /// <summary>Plans a run.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="before">Of the run that is resumed; null for one that begins.</param>
    /// <param name="store">Where the states' store is, or will be.</param>
    /// <param name="description">What it holds.</param>
    /// <param name="logger">Told what was decided.</param>
    /// <returns>Null: nothing asks for it, weights and gradients stay in memory.</returns>
    /// <exception cref="PlanInfeasibleException">No plan fits.</exception>
    /// <exception cref="UsageException">The plan that was given is for something else.</exception>
    public static SwappedRun? Create(
        TrainingOptions options, ModelLayout layout, RunNumerics numerics, RunSettings? before, RunStore store, StoreDescription description, ILogger logger)
    {
        return SwapOptions.FirstThatSwaps(options) is null && numerics.Device == ComputeDevice.Cpu ? null : Make(options, layout, numerics, before, store, description, logger);
    }

    /// <summary>Plans a run that nobody asked to be swapped, if its weights and gradients do not fit in memory; both tiers then share what there is.</summary>
    /// <inheritdoc cref="Create"/>
    public static SwappedRun? CreateIfNeeded(
        TrainingOptions options, ModelLayout layout, RunNumerics numerics, RunSettings? before, RunStore store, StoreDescription description, ILogger logger)
    {
        long budgetBytes = options.CpuMemoryBytes ?? CpuMemory.AvailableBytes();
        try
        {
            ResidentPlanner.Plan(layout, numerics, store.IsOnDrives, StoreGeometry.Of(description).MaxTileBytes)
                .RequireWithin(budgetBytes, options.CpuMemoryBytes is null ? "free memory" : "--cpu-memory");
            return null;
        }
        catch (PlanInfeasibleException resident)
        {
            try
            {
                // A tenth is left to the program itself and to whoever else needs memory.
                long half = (long)(0.45 * budgetBytes);
                SwappedRun run = Make(options with { GpuMemoryBytes = half, CpuMemoryBytes = half }, layout, numerics, before, store, description, logger);
                logger.LogInformation("{Message}", $"the model is swapped between tiers, for {resident.Message}");
                return run;
            }
            catch (PlanInfeasibleException)
            {
                // What was asked for is what the user is told of.
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(resident);
                throw;
            }
        }
    }

    private static SwappedRun Make(
        TrainingOptions options, ModelLayout layout, RunNumerics numerics, RunSettings? before, RunStore store, StoreDescription description, ILogger logger)
    {
        int sequencesPerStep = checked((int)RunSetup.SequencesPerStep(options, numerics, before));
        SwappedRun run = options.PlanFile is { } path
            ? FromFile(path, options, layout, numerics, before, store, description, sequencesPerStep)
            : FromPlanner(options, layout, numerics, before, store, description, sequencesPerStep, logger);
        SwapOptions.CheckUpdate(run.Plan.Update, options, before);
        RequireMemory(options, run, description);
        logger.LogInformation("{Message}", Describe(run));
        return run;
    }

    /// <summary>The machine that plans and predictions go by.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="gpu">What computes; null: the CPU.</param>
    /// <param name="gpuBytes">Budget of the GPU tier.</param>
    /// <param name="cpuBytes">Budget of the CPU tier.</param>
    /// <param name="hasDrives">Whether states may go to drives.</param>
    /// <exception cref="OffloadException">The profile that was named is missing, or cannot be read.</exception>
    public static HardwareProfile HardwareOf(TrainingOptions options, CudaHost? gpu, long gpuBytes, long cpuBytes, bool hasDrives) =>
        options.Hardware is { } named ? HardwareProfiles.Load(named)
        : gpu is null ? CpuDevice.Profile(gpuBytes, cpuBytes, hasDrives)
        : GpuGuess.Profile(gpu, cpuBytes, hasDrives);

    private static SwappedRun FromPlanner(
        TrainingOptions options, ModelLayout layout, RunNumerics numerics, RunSettings? before, RunStore store, StoreDescription description, int sequencesPerStep, ILogger logger)
    {
        long available = CpuMemory.AvailableBytes();
        CudaHost? gpu = numerics.Device == ComputeDevice.Cuda ? CudaHost.Get(options.GpuOrdinal) : null;
        long gpuBytes = options.GpuMemoryBytes ?? (gpu is null ? available / 2 : (long)(0.95 * gpu.FreeBytes));
        long cpuBytes = options.CpuMemoryBytes ?? (gpu is null ? Math.Max(0, available - gpuBytes) : (long)(0.9 * available));
        bool isFixed = before is not null || options.MicroBatchSequences is not null;

        // A last micro-batch that is smaller costs what a whole one does.
        int sequences = isFixed ? NumMicroBatches(numerics, sequencesPerStep) * numerics.MicroBatchSequences : sequencesPerStep;
        HardwareProfile hardware = HardwareOf(options, gpu, gpuBytes, cpuBytes, store.IsOnDrives);
        var request = new PlanRequest
        {
            WorkloadOf = microBatch => ModelWorkload.Create(
                layout, numerics.Type, numerics.SequenceTokens, microBatch, numMicroBatches: 1, numerics.HeadChunkTokens, description.TileParameters, numerics.Device),
            Model = ResidentPlanner.Profile(layout),
            SequenceTokens = numerics.SequenceTokens,
            SequencesPerStep = sequences,
            Hardware = hardware,
            GpuBudgetBytes = gpuBytes - (gpu?.OverheadBytes ?? 0),
            CpuBudgetBytes = cpuBytes,
            CpuBesideBytes = SwapModel.BesideBytes(description) + (gpu is null ? 0 : SwapModel.StagedBytes((long)sequences * numerics.SequenceTokens)),
            NvmeBudgetBytes = store.IsOnDrives ? store.DriveBytes() : null,
            Choices = new PlanChoices
            {
                Order = options.Order ?? StepOrder.LayerMajor,
                States = options.States,
                MicroBatchSequences = isFixed ? numerics.MicroBatchSequences : null,
                Update = options.Update,
                IsClipped = options.MaxGradNorm is double given ? given > 0 : (before?.MaxGradNorm ?? RunSetup.DefaultMaxGradNorm) > 0,
                StopsOnNan = options.OnNonFinite == NonFiniteAction.Stop,
                IsDurable = store.IsOnDrives,
            },
        };
        PlannedStep step = Planner.Plan(request).Require();
        if (NeedsAnotherUpdate(options, step.Plan, description))
        {
            // Asked for, it is refused below; chosen by the planner, it is replaced.
            step = Planner.Plan(request with { Choices = request.Choices with { Update = options.Update ?? UpdateMode.Deferred } }).Require();
        }

        RequireGenerations(options, step.Plan, description);
        logger.LogInformation(
            "{Message}", FormattableString.Invariant($"on '{hardware.Name}' a step should take {step.Predicted.StepSeconds:G3} s, {step.Predicted.TokensPerSecond:N0} tokens/s; the bottleneck is {step.Predicted.Bottleneck}")
            + (options.Hardware is null ? " (a guess; 'offload profile hardware' measures, --hardware tells)" : ""));
        return new SwappedRun(numerics with { MicroBatchSequences = step.MicroBatchSequences }, step.Plan, step.Work, gpuBytes, cpuBytes);
    }

    private static SwappedRun FromFile(
        string path, TrainingOptions options, ModelLayout layout, RunNumerics numerics, RunSettings? before, RunStore store, StoreDescription description, int sequencesPerStep)
    {
        SavedPlan saved = PlanFile.Read(path);
        RunNumerics ofPlan = before is null && options.MicroBatchSequences is null ? numerics with { MicroBatchSequences = saved.MicroBatchSequences } : numerics;
        string type = numerics.Type == ComputeType.BFloat16 ? "bfloat16" : "float32";
        Require(saved.ModelHash == ModelShapeHash.Of(layout), "model", $"the one it was made for, '{saved.Model}'", "another one");
        Require(saved.Dtype == type, "--dtype", saved.Dtype, type);
        Require(saved.SequenceTokens == numerics.SequenceTokens, "--seq-len", $"{saved.SequenceTokens}", $"{numerics.SequenceTokens}");
        Require(saved.MicroBatchSequences == ofPlan.MicroBatchSequences, "--micro-batch", $"{saved.MicroBatchSequences}", $"{ofPlan.MicroBatchSequences}");
        int numMicroBatches = NumMicroBatches(ofPlan, sequencesPerStep);
        Require(saved.NumMicroBatches == numMicroBatches, "micro-batches of a step (--tokens-per-step)", $"{saved.NumMicroBatches}", $"{numMicroBatches}");
        Require(saved.Plan.IsDurable == store.IsOnDrives, "states", saved.Plan.IsDurable ? "on drives: give --nvme" : "in memory: leave --nvme out", store.IsOnDrives ? "--nvme" : "no --nvme");
        RequireGenerations(options, saved.Plan, description);
        Workload work = ModelWorkload.Create(
            layout, ofPlan.Type, ofPlan.SequenceTokens, ofPlan.MicroBatchSequences, numMicroBatches, ofPlan.HeadChunkTokens, description.TileParameters, ofPlan.Device);
        saved.Plan.Validate(work);
        return new SwappedRun(ofPlan, saved.Plan, work, options.GpuMemoryBytes ?? long.MaxValue, options.CpuMemoryBytes ?? CpuMemory.AvailableBytes());

        void Require(bool holds, string what, string expected, string found)
        {
            if (!holds)
            {
                throw new UsageException($"--plan {path}: {what}: expected {expected}, found {found}", "make a plan for this run with 'offload plan --save FILE', or leave --plan out");
            }
        }
    }

    private static int NumMicroBatches(RunNumerics numerics, int sequencesPerStep) =>
        (sequencesPerStep + numerics.MicroBatchSequences - 1) / numerics.MicroBatchSequences;

    /// <summary>Whether a plan goes back to the step before, which a store may not have any more.</summary>
    private static bool NeedsAnotherUpdate(TrainingOptions options, SwapPlan plan, StoreDescription description) =>
        plan is { Update: UpdateMode.Speculative, IsDurable: true } && (description.Generations < 2 || options.CommitEverySteps > 1);

    private static void RequireGenerations(TrainingOptions options, SwapPlan plan, StoreDescription description)
    {
        if (NeedsAnotherUpdate(options, plan, description))
        {
            throw new UsageException(
                "speculative updates: expected a store of two generations and a commit after every step", "leave --single-generation and --commit-every out, or choose --update deferred");
        }
    }

    /// <summary>On the CPU device both tiers are the same RAM.</summary>
    private static void RequireMemory(TrainingOptions options, SwappedRun run, StoreDescription description)
    {
        StepSchedule[] schedules = [SwapSchedules.Train(run.Work, run.Plan), SwapSchedules.Forward(run.Work, run.Plan), SwapSchedules.Drain(run.Work, run.Plan)];
        CudaHost? gpu = run.Numerics.Device == ComputeDevice.Cuda ? CudaHost.Get(options.GpuOrdinal) : null;
        long gpuBytes = schedules.Max(schedule => schedule.SlotBytes(Tier.Gpu)) + run.Work.WorkspaceBytes + (gpu?.OverheadBytes ?? 0);
        long cpuBytes = schedules.Max(schedule => schedule.SlotBytes(Tier.Cpu)) + SwapModel.BesideBytes(description)
            + (gpu is null ? 0 : SwapModel.StagedBytes((long)run.Work.NumMicroBatches * run.Numerics.MicroBatchSequences * run.Numerics.SequenceTokens));
        Check("--gpu-memory", gpuBytes, run.GpuBytes);
        Check("--cpu-memory", cpuBytes, run.CpuBytes);
        if (gpu is null)
        {
            Check("free memory, which both tiers share on --device cpu", gpuBytes + cpuBytes, CpuMemory.AvailableBytes());
        }
        else
        {
            Check("the GPU's free memory", gpuBytes, gpu.FreeBytes);
            Check("free memory", cpuBytes, CpuMemory.AvailableBytes());
        }

        void Check(string name, long neededBytes, long budgetBytes)
        {
            if (neededBytes > budgetBytes)
            {
                const double Mebi = 1 << 20;
                throw new PlanInfeasibleException(
                    FormattableString.Invariant($"the plan needs {neededBytes / Mebi:N0} MiB, but {name} is {budgetBytes / Mebi:N0} MiB: {(neededBytes - budgetBytes) / Mebi:N0} MiB short"),
                    options.PlanFile is null ? "lower budgets leave more to the drives of --nvme; fewer tokens in a --micro-batch need less" : "make a plan for these budgets with 'offload plan --save FILE', or leave --plan out");
            }
        }
    }

    private static string Describe(SwappedRun run)
    {
        string Count(Func<UnitPlan, Tier> tierOf) => string.Join(
            ", ", run.Plan.Units.GroupBy(tierOf).OrderBy(group => group.Key).Select(group => $"{group.Count()} on {group.Key switch { Tier.Gpu => "GPU", Tier.Cpu => "CPU", _ => "NVMe" }}"));
        return $"plan: {run.Plan.Order}, {run.Plan.Update} updates, {run.Work.NumMicroBatches} micro-batches of {run.Numerics.MicroBatchSequences}; "
            + $"weights {Count(unit => unit.Weights)}; states {Count(unit => unit.States)}";
    }
}
