using Microsoft.Extensions.Logging.Abstractions;
using Offload.Engine.Data;
using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Storage.Devices;
using Offload.Storage.States;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Training;

/// <summary>A run in which something will go wrong: two steps over a tiny model, in a folder of its own. Not thread-safe.</summary>
internal sealed class FaultScenario
{
    /// <summary>Steps of the run.</summary>
    public const int Steps = 2;

    /// <summary>A case takes a fraction of a second: after so long it hangs.</summary>
    private static readonly TimeSpan CaseLimit = TimeSpan.FromSeconds(10);

    /// <summary>Several stripes for most units.</summary>
    private const int StripeBytes = 64 << 10;

    private readonly string _folder;

    private FaultScenario(string folder) => _folder = folder;

    /// <summary>For messages.</summary>
    public required string Name { get; init; }

    public ComputeType Type { get; init; } = ComputeType.Float32;

    public bool SingleGeneration { get; init; }

    public int NumFolders { get; init; } = 1;

    /// <summary>From the checkpoint of <see cref="WriteInputs"/> instead of from scratch.</summary>
    public bool Imports { get; init; }

    /// <summary>The fault is in a process that goes on after the first step.</summary>
    public bool Resumes { get; init; }

    public string[] StoreFolders => [.. Enumerable.Range(0, NumFolders).Select(index => Path.Combine(_folder, $"nvme{index}"))];

    public static FaultScenario[] All(string folder) =>
    [
        new(folder) { Name = "float32 from scratch" },
        new(folder) { Name = "bfloat16 import", Type = ComputeType.BFloat16, Imports = true },
        new(folder) { Name = "float32, one generation", SingleGeneration = true },
        new(folder) { Name = "float32 import in two folders", Imports = true, NumFolders = 2 },
        new(folder) { Name = "float32 resumed", Resumes = true },
        new(folder) { Name = "bfloat16 resumed, one generation", Type = ComputeType.BFloat16, Resumes = true, SingleGeneration = true },
        new(folder) { Name = "bfloat16 resumed in two folders", Type = ComputeType.BFloat16, Resumes = true, NumFolders = 2 },
    ];

    /// <summary>Data, a folder with a model's configuration, and one with weights as well.</summary>
    public static void WriteInputs(string folder)
    {
        TinyModel.Write(Path.Combine(folder, "model"));
        TinyModel.WriteText(Path.Combine(folder, "data.txt"), numWords: 100);
        var scenario = new FaultScenario(folder) { Name = "weights" };
        Train(scenario.Options(wrap: null, resume: false) with { NvmeFolders = [], Steps = 1 }, new Observer(stopsAfterFirstStep: null), CancellationToken.None);
        Directory.Move(Path.Combine(folder, "run", "model"), Path.Combine(folder, "weights"));
        scenario.Clear();
    }

    /// <summary>Makes what a process with the fault will find.</summary>
    public void Prepare()
    {
        Clear();
        if (!Resumes)
        {
            return;
        }

        string saved = Path.Combine(_folder, "saved");
        if (!Directory.Exists(saved))
        {
            using var stop = new CancellationTokenSource();
            Train(Options(wrap: null, resume: false), new Observer(stop), stop.Token);
            Copy(_folder, saved);
            Clear();
        }

        Copy(saved, _folder);
    }

    /// <summary>The scenario is over.</summary>
    public void Forget()
    {
        Clear();
        string saved = Path.Combine(_folder, "saved");
        if (Directory.Exists(saved))
        {
            Directory.Delete(saved, recursive: true);
        }
    }

    /// <summary>One process's work, on a thread of its own.</summary>
    /// <param name="plans">What goes wrong in each folder; null: nothing anywhere.</param>
    /// <param name="resume">Whether something is there to go on from; the scenario's own, for the process with the fault.</param>
    public FaultSitting Run(IReadOnlyList<FaultPlan>? plans, bool resume)
    {
        var recorders = new List<FaultRecorder>();
        var observer = new Observer(stopsAfterFirstStep: null);
        Func<IBlockDevice, IBlockDevice>? wrap = plans is null ? null : inner =>
        {
            // Files are opened in the order of the folders, and never again.
            recorders.Add(new FaultRecorder(inner, plans[recorders.Count]));
            return recorders[^1];
        };
        TrainingOptions options = Options(wrap, resume);
        Exception? error = null;
        string? hash = null;
        var thread = new Thread(() =>
        {
            try
            {
                hash = Train(options, observer, CancellationToken.None)!.WeightsHash;
            }
            catch (Exception caught)
            {
                error = caught;
            }
        })
        {
            IsBackground = true,
            Name = "fault-case",
        };
        thread.Start();
        return thread.Join(CaseLimit)
            ? new FaultSitting(hash, error, observer.FirstStep, observer.LastStep, recorders)
            : new FaultSitting(null, new TimeoutException($"it hangs: not over after {CaseLimit.TotalSeconds} s"), observer.FirstStep, observer.LastStep, recorders);
    }

    /// <summary>The step at which the store stands, read without its lock; null: nothing was committed.</summary>
    public long? CommittedStep() => StoreFiles.TryReadSummary(StoreFolders)?.LastCommit?.Step;

    /// <summary>Of a store that is there now.</summary>
    public StorePlaces Places() => new(StoreFolders, StripeBytes);

    private static TrainingResult? Train(TrainingOptions options, Observer observer, CancellationToken cancellation)
    {
        try
        {
            return new Trainer(options, observer, NullLogger<Trainer>.Instance, TimeProvider.System).Run(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private static IEnumerable<string> Made(string folder) => Directory.EnumerateDirectories(folder)
        .Where(path => Path.GetFileName(path) is var name && (name == "run" || name.StartsWith("nvme", StringComparison.Ordinal)));

    private static void Copy(string from, string to)
    {
        foreach (string folder in Made(from))
        {
            foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            {
                string copy = Path.Combine(to, Path.GetRelativePath(from, file));
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }
        }
    }

    private void Clear()
    {
        foreach (string path in Made(_folder))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private TrainingOptions Options(Func<IBlockDevice, IBlockDevice>? wrap, bool resume) => new()
    {
        ModelFolder = Path.Combine(_folder, Imports ? "weights" : "model"),
        FromScratch = !Imports,
        DataFiles = [Path.Combine(_folder, "data.txt")],
        OutputFolder = Path.Combine(_folder, "run"),
        NvmeFolders = StoreFolders,
        SingleGeneration = SingleGeneration,
        Resume = resume,
        Steps = Steps,
        SequenceTokens = 8,
        MicroBatchSequences = 1,
        TokensPerStep = 8,
        EvalFraction = 0,
        LearningRate = 1e-3,
        Type = Type,
        Threads = 1,
        TileParameters = 4096,
        StoreFiles = new StoreFilesOptions { Engine = IoEngine.Threads, QueueDepth = 4, Wrap = wrap, StripeBytes = [.. Enumerable.Repeat(StripeBytes, NumFolders)] },
    };

    private sealed class Observer(CancellationTokenSource? stopsAfterFirstStep) : ITrainingObserver
    {
        public long? FirstStep { get; private set; }

        public long? LastStep { get; private set; }

        public void OnTokenizing(TokenizingProgress progress)
        {
        }

        public void OnStep(StepReport report)
        {
            FirstStep ??= report.Step;
            LastStep = report.Step;
            stopsAfterFirstStep?.Cancel();
        }

        public void OnEvaluation(EvalReport report)
        {
        }
    }
}
