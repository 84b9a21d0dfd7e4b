using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Profiles.Tracing;
using Offload.Storage;
using Offload.Storage.States;
using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Costs;
using Offload.Swap.Planning.Search;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Engine.Planning;

/// <summary>Plans the training of a model from its config.json alone, on this machine or another. Needs no libtorch. Stateless: any thread.</summary>
public static class TrainingPlanner
{
    private const int DefaultSequenceTokens = 1024;
    private const long DefaultTokensPerStep = 16384;

    /// <summary>GPU memory that the driver's context and the libraries' workspaces take.</summary>
    private const double GpuContextGiB = 0.75;

    /// <summary>Part of the CPU's memory that a plan may use: the rest is the system's, the program's and the page cache's.</summary>
    private const double CpuFraction = 0.9;

    /// <summary>Plans.</summary>
    /// <exception cref="UnreadableInputException">The model's config.json cannot be read, or its family is not supported.</exception>
    /// <exception cref="UsageException">An option makes no sense for the model, the machine or another option.</exception>
    public static TrainingPlan Plan(TrainingPlanOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        DecoderConfig config = HubConfig.Load(options.ModelFolder);
        ModelLayout layout = ModelLayout.Create(config);
        try
        {
            PlanRequest request = Request(options, config, layout);
            return new TrainingPlan(request, Planner.Plan(request), NameOf(options.ModelFolder), ModelShapeHash.Of(layout), options.Type == ComputeType.BFloat16 ? "bfloat16" : "float32");
        }
        catch (OverflowException error)
        {
            throw new UnreadableInputException(
                "config.json", "the sizes multiply to more bytes than any memory has", "check hidden_size, intermediate_size, vocab_size, num_hidden_layers, --micro-batch and --seq-len", error);
        }
    }

    /// <summary>The planned step on the virtual clock, for drawing.</summary>
    /// <exception cref="Swap.PlanInfeasibleException">Nothing fits.</exception>
    public static StepTrace Trace(TrainingPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        PlannedStep step = plan.Result.Require();
        StepSchedule schedule = SwapSchedules.Train(step.Work, step.Plan);
        SimulationResult result = new CostModel(plan.Request.Hardware, step.Work, plan.Request.Costs).Simulate(schedule);
        return Traces.FromSimulation(schedule, result, [.. step.Work.Units.Select(unit => unit.Name)]);
    }

    private static PlanRequest Request(TrainingPlanOptions options, DecoderConfig config, ModelLayout layout)
    {
        int sequenceTokens = options.SequenceTokens ?? Math.Min(DefaultSequenceTokens, config.MaxPositions);
        RunSetup.CheckSequenceLength(sequenceTokens, config);
        long sequences = (options.TokensPerStep ?? Math.Max(DefaultTokensPerStep, sequenceTokens)) / sequenceTokens;
        if (sequences is < 1 or > int.MaxValue)
        {
            throw new UsageException($"--tokens-per-step {options.TokensPerStep}: expected at least --seq-len, {sequenceTokens}, and at most 2^31 sequences", "a step takes whole sequences");
        }

        return new PlanRequest
        {
            WorkloadOf = microBatch => WorkloadOf(options, layout, sequenceTokens, microBatch),
            Model = ResidentPlanner.Profile(layout),
            SequenceTokens = sequenceTokens,
            SequencesPerStep = (int)sequences,
            Hardware = options.Hardware,
            GpuBudgetBytes = Budget("--gpu-memory", options.GpuMemoryBytes, options.Hardware.Gpu.MemoryGiB, "gpu.memoryGiB", Math.Max(0, options.Hardware.Gpu.MemoryGiB - (options.CountsPublishedStates ? 0 : GpuContextGiB))),
            CpuBudgetBytes = Budget("--cpu-memory", options.CpuMemoryBytes, options.Hardware.Cpu.MemoryGiB, "cpu.memoryGiB", options.Hardware.Cpu.MemoryGiB * CpuFraction),
            CpuBesideBytes = SwapModel.BesideBytes(layout, StoreDescription.DefaultTileParameters),
            NvmeBudgetBytes = NvmeBudget(options),
            Costs = options.CountsPublishedStates ? PublishedWorkload.Costs : new CostOptions(),
            Choices = new PlanChoices
            {
                Order = options.Order,
                States = options.States,
                MicroBatchSequences = options.MicroBatchSequences,
                Update = options.Update,
                IsClipped = options.MaxGradNorm > 0,

                // A plan tells that it needs it.
                StopsOnNan = true,
            },
        };
    }

    private static Workload WorkloadOf(TrainingPlanOptions options, ModelLayout layout, int sequenceTokens, int microBatchSequences)
    {
        Workload work = ModelWorkload.Create(
            layout, options.Type, sequenceTokens, microBatchSequences, numMicroBatches: 1, RunNumerics.DefaultHeadChunkTokens, StoreDescription.DefaultTileParameters);
        return options.CountsPublishedStates ? PublishedWorkload.Of(work, layout.Config) : work;
    }

    private static string NameOf(string folderOrConfigPath)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folderOrConfigPath));
        return Path.GetFileName(File.Exists(path) ? Path.GetDirectoryName(path)! : path);
    }

    private static long Budget(string option, long? given, double hardwareGiB, string name, double defaultGiB)
    {
        const double Gibi = 1L << 30;
        return given is not long bytes ? (long)(defaultGiB * Gibi)
            : bytes <= hardwareGiB * Gibi ? bytes
            : throw new UsageException(
                FormattableString.Invariant($"{option}: expected at most the hardware's {hardwareGiB} GiB, found {bytes / Gibi:0.##} GiB"), $"--hardware-set {name}=NUMBER gives the machine more");
    }

    private static long? NvmeBudget(TrainingPlanOptions options)
    {
        if (options.Hardware.Ssd is not { } ssd)
        {
            return options.NvmeBytes is null
                ? null
                : throw new UsageException($"--nvme-capacity: the hardware '{options.Hardware.Name}' has no drives", "--hardware-set ssd.readGBps=... and its three other rates add them");
        }

        // Where nobody knows the room, it is not what a plan fails on.
        return options.NvmeBytes ?? (ssd.CapacityGB is double capacity ? (long)(capacity * 1e9) : long.MaxValue / 4);
    }
}
