using Microsoft.Extensions.Logging.Abstractions;
using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Engine.Training;
using Offload.Storage.Devices;
using Offload.Storage.States;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Tests.Planning;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Swapping;

/// <summary>A run over a tiny model by a random plan of an order and update mode, in which something will go wrong. Not thread-safe.</summary>
/// <param name="folder">With the inputs; the run's own folders are made there.</param>
/// <param name="order">Of the plan.</param>
/// <param name="update">Of the plan.</param>
/// <param name="random">Draws all else.</param>
internal sealed class SwapFaultRun(string folder, StepOrder order, UpdateMode update, Random random)
{
    /// <summary>Steps of the run.</summary>
    public const int Steps = 4;

    private const int NumMicroBatches = 3;
    private const int TileParameters = 4096;
    private const int StripeBytes = 64 << 10;

    /// <summary>A case takes a fraction of a second: after so long it hangs.</summary>
    private static readonly TimeSpan CaseLimit = TimeSpan.FromSeconds(10);

    private readonly int _planSeed = random.Next();
    private readonly int? _commitEverySteps = update == UpdateMode.Speculative ? null : random.Next(1, 4);

    /// <summary>One operation at a time.</summary>
    public bool IsSequential { get; init; } = random.Next(3) == 0;

    /// <summary>States go to the drives; if not, they stay in memory and are saved as checkpoints.</summary>
    public bool IsDurable { get; init; } = random.Next(4) > 0;

    /// <summary>Of compute.</summary>
    public ComputeType Type { get; init; } = random.Next(2) == 0 ? ComputeType.Float32 : ComputeType.BFloat16;

    /// <summary>Folder with a model's configuration and, unless it is from scratch, weights.</summary>
    public string Model { get; init; } = Path.Combine(folder, "model");

    /// <summary>What a step does whose loss or gradient is not finite.</summary>
    public NonFiniteAction OnNonFinite { get; init; } = update == UpdateMode.Immediate ? NonFiniteAction.Stop : NonFiniteAction.Skip;

    /// <summary>Share of the data that is set aside.</summary>
    public double EvalFraction { get; init; } = 0.3;

    /// <summary>For messages.</summary>
    public string Name => $"{order}, {update}, {Type}, {(IsDurable ? "durable" : "in memory")}, {(IsSequential ? "sequential" : "overlapped")}, plan {_planSeed}";

    /// <summary>Where scratch files are.</summary>
    public string ScratchFolder => Path.Combine(folder, "scratch");

    private string[] StoreFolders => [IsDurable ? Path.Combine(folder, "nvme") : Path.Combine(folder, "run", "checkpoint")];

    /// <summary>Data, a model's configuration, and a place for scratch files.</summary>
    public static void WriteInputs(string folder)
    {
        TinyModel.Write(Path.Combine(folder, "model"));
        TinyModel.WriteText(Path.Combine(folder, "data.txt"), numWords: 100);
        Directory.CreateDirectory(Path.Combine(folder, "scratch"));
    }

    /// <summary>Removes what runs have left.</summary>
    public void Clear()
    {
        foreach (string made in (string[])[Path.Combine(folder, "run"), Path.Combine(folder, "nvme")])
        {
            if (Directory.Exists(made))
            {
                Directory.Delete(made, recursive: true);
            }
        }
    }

    /// <summary>The step at which the store stands, read without its lock; null: nothing was committed.</summary>
    public long? CommittedStep() => StoreFiles.TryReadSummary(StoreFolders)?.LastCommit?.Step;

    /// <summary>Of a store that is there now.</summary>
    public StorePlaces Places() => new(StoreFolders, StripeBytes);

    /// <summary>A run of the resident model.</summary>
    /// <param name="resume">Goes on with what is there.</param>
    public SwapFaultSitting RunResident(bool resume) => Run(Options(resume, wrap: null), new SwapFaultSitting(), CancellationToken.None);

    /// <summary>A run of the swapped model in which nothing goes wrong, by another plan.</summary>
    public SwapFaultSitting ResumeSwapped(int planSeed) => Run(
        Options(resume: true, wrap: null) with { CreateModel = (run, _, store, _) => Create(run, store, planSeed, new SwapModelOptions { ScratchFolders = [ScratchFolder] }, new()) },
        new SwapFaultSitting(),
        CancellationToken.None);

    /// <summary>A run of the swapped model.</summary>
    /// <param name="storeFaults">What goes wrong with the store's device.</param>
    /// <param name="scratchFaults">What goes wrong with the scratch files.</param>
    /// <param name="before">Called before each operation of a lane, with how many that lane has begun before; it may throw.</param>
    /// <param name="script">What the caller does.</param>
    /// <param name="cancellation">Stops the run.</param>
    public SwapFaultSitting RunSwapped(
        FaultPlan? storeFaults = null, FaultPlan? scratchFaults = null, Action<Lane, long>? before = null, InterruptedModel.Script? script = null, CancellationToken cancellation = default)
    {
        var sitting = new SwapFaultSitting();
        script ??= new InterruptedModel.Script();
        script.BeforeFirstUse = sitting.NoteStart;
        var options = new SwapModelOptions
        {
            IsSequential = IsSequential,
            ScratchFolders = [ScratchFolder],
            WrapScratch = device => sitting.Scratch = new FaultRecorder(device, scratchFaults ?? new FaultPlan()),
            BeforeOperation = (operation, _) =>
            {
                long index = sitting.Count(operation);
                before?.Invoke(operation.Lane, index);
            },
        };
        TrainingOptions asked = Options(resume: false, device => sitting.Store = new FaultRecorder(device, storeFaults ?? new FaultPlan()));
        Run(asked with { CreateModel = (run, _, store, _) => Create(run, store, _planSeed, options, script) }, sitting, cancellation);
        sitting.NumEvaluations = script.NumEvaluations;
        return sitting;
    }

    private static SwapFaultSitting Run(TrainingOptions options, SwapFaultSitting sitting, CancellationToken cancellation)
    {
        var thread = new Thread(() =>
        {
            try
            {
                sitting.WeightsHash = new Trainer(options, sitting, NullLogger<Trainer>.Instance, TimeProvider.System).Run(cancellation).WeightsHash;
            }
            catch (Exception error)
            {
                sitting.Error = error;
            }
        })
        {
            IsBackground = true,
            Name = "fault-case",
        };
        thread.Start();
        if (!thread.Join(CaseLimit))
        {
            sitting.Error = new TimeoutException($"it hangs: not over after {CaseLimit.TotalSeconds} s");
        }

        return sitting;
    }

    private RunModel Create(RunPreflight run, StateStore store, int planSeed, SwapModelOptions options, InterruptedModel.Script script)
    {
        ModelLayout layout = run.Base.Layout;
        RunNumerics numerics = run.Numerics;
        Workload work = ModelWorkload.Create(
            layout, numerics.Type, numerics.SequenceTokens, numerics.MicroBatchSequences, NumMicroBatches, numerics.HeadChunkTokens, TileParameters);
        var model = new SwapModel(layout, numerics, work, Plan(work, planSeed), store, options);
        return new RunModel(new InterruptedModel(model, script), model.States, model.States);
    }

    private SwapPlan Plan(Workload work, int seed)
    {
        var random = new Random(seed);
        while (true)
        {
            SwapPlan plan = RandomPlan.For(work, random);
            if (plan.Order == order && plan.Update == update && plan.IsDurable == IsDurable)
            {
                return plan;
            }
        }
    }

    private TrainingOptions Options(bool resume, Func<IBlockDevice, IBlockDevice>? wrap) => new()
    {
        ModelFolder = Model,
        FromScratch = !Directory.EnumerateFiles(Model, "*.safetensors").Any(),
        DataFiles = [Path.Combine(folder, "data.txt")],
        OutputFolder = Path.Combine(folder, "run"),
        NvmeFolders = IsDurable ? StoreFolders : [],
        CommitEverySteps = IsDurable ? _commitEverySteps : null,
        CheckpointEverySteps = IsDurable ? null : 2,
        Resume = resume,
        Steps = Steps,
        SequenceTokens = 8,
        MicroBatchSequences = 2,
        TokensPerStep = 40,
        EvalFraction = EvalFraction,
        EvalEverySteps = 2,
        LearningRate = 1e-3,
        // Low enough that steps are clipped, and then speculative updates made again.
        MaxGradNorm = update == UpdateMode.Immediate ? 0 : 0.5,
        OnNonFinite = OnNonFinite,
        Type = Type,
        Threads = 1,
        TileParameters = TileParameters,
        Export = false,
        StoreFiles = new StoreFilesOptions { Engine = IoEngine.Threads, QueueDepth = 4, Wrap = wrap, StripeBytes = [StripeBytes] },
    };
}
