using Microsoft.Extensions.Logging;
using Offload.Engine.Data;
using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.States;
using Offload.Engine.Tokenization;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Files;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>What a run begins with, after everything was checked that can be before its data is read. Made under the lock of the run's folder.</summary>
internal sealed record RunPreflight
{
    /// <summary>Settings of the run that is resumed; null for one that begins, perhaps anew.</summary>
    public required RunSettings? Before { get; init; }

    /// <summary>Configuration and tokenizer.</summary>
    public required RunBase Base { get; init; }

    /// <summary>Reads the data.</summary>
    public required ITokenizer Tokenizer { get; init; }

    /// <summary>What fixes the bits.</summary>
    public required RunNumerics Numerics { get; init; }

    /// <summary>Where the states' store is, or will be.</summary>
    public required RunStore Store { get; init; }

    /// <summary>What the store holds, or will hold.</summary>
    public required StoreDescription Description { get; init; }

    /// <summary>Whose it is.</summary>
    public required StoreOwner Owner { get; init; }

    /// <summary>How it is swapped between tiers; null: weights and gradients stay in memory.</summary>
    public required SwappedRun? Swapped { get; init; }

    /// <summary>Checks options, model, store, memory and disks.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="folder">The run's folder, locked; it has no result.</param>
    /// <param name="logger">Told of what is unusual.</param>
    /// <exception cref="OffloadException">Something is wrong.</exception>
    public static RunPreflight Check(TrainingOptions options, RunFolder folder, ILogger logger)
    {
        StoreFilesOptions storeOptions = options.StoreFiles ?? new StoreFilesOptions { Store = new StoreOptions { Warn = text => logger.LogWarning("{Message}", text) } };
        RunStore store = RunStore.Find(folder, options.NvmeFolders, storeOptions);
        RunSettings? before = FindCommitted(folder, store, storeOptions);
        if (before is null && store is { IsOnDrives: true, State: StoreFilesState.HalfMade })
        {
            logger.LogInformation("{Message}", $"the half-made store in {string.Join(", ", store.Folders)} is started anew");
        }

        RunBase model = before is null ? RunBase.OfModel(options.ModelFolder ?? throw MissingModel()) : RunBase.OfRun(folder);
        RunNumerics numerics = RunSetup.Numerics(options, model.Layout.Config, before?.Numerics);
        ITokenizer tokenizer = before is null ? TokenizerLoader.Load(model.Folder) : RunBase.TokenizerOfRun(folder);
        StoreOwner owner = StoreOwner.Of(model.Layout, (before?.Numerics ?? numerics).Type, before?.Run ?? Guid.NewGuid().ToString("n"));
        StoreDescription description;
        if (before is null)
        {
            description = owner.Describe(model.Layout, options.TileParameters, options.SingleGeneration ? 1 : 2);
        }
        else
        {
            RequireSameModel(options, model.Companions);
            description = store.ReadCommitted()?.Description ?? throw new StoreMismatchException(store.Folders[0], "expected a commit, found none");
            owner.Require(store.Folders[0], description, model.Layout);
        }

        RequireStoreOptions(options, store, description, logger);

        SwapOptions.Check(options, before, store.IsOnDrives);
        StoreGeometry geometry = StoreGeometry.Of(description);
        SwappedRun? swapped = SwappedRun.Create(options, model.Layout, numerics, before, store, description, logger);
        if (swapped is not null)
        {
            numerics = swapped.Numerics;
        }
        else
        {
            swapped = SwappedRun.CreateIfNeeded(options, model.Layout, numerics, before, store, description, logger);
            numerics = swapped?.Numerics ?? numerics;
        }

        RequireSpace(options, model.Layout, numerics, before is null ? store.Needs(geometry) : []);
        DescribeEndurance(options, store, geometry, logger);
        return new RunPreflight
        {
            Before = before,
            Base = model,
            Tokenizer = tokenizer,
            Numerics = numerics,
            Store = store,
            Description = description,
            Owner = owner,
            Swapped = swapped,
        };
    }

    /// <summary>The settings of a run that has a commit; null if it has none.</summary>
    private static RunSettings? FindCommitted(RunFolder folder, RunStore store, StoreFilesOptions storeOptions)
    {
        RunSettings? recorded = folder.ReadSettings();
        bool isCommitted = store.State == StoreFilesState.Committed;
        if (recorded is null && isCommitted)
        {
            throw store.IsOnDrives
                ? new UsageException(
                    $"--nvme {string.Join(", ", store.Folders)}: expected no store, found one", "continue its run with --resume and the --output that it began with, or choose other folders")
                : new StoreMismatchException(folder.Path, "a checkpoint without run.json", "the folder is damaged; start anew in another one");
        }

        // A run is recorded once its store is there. Of one that is half made where the run remembers it nothing was committed: it may begin anew elsewhere.
        if (recorded is not null && !isCommitted && RunStore.Find(folder, [], storeOptions).State != StoreFilesState.HalfMade)
        {
            throw store.Missing();
        }

        return isCommitted ? recorded : null;
    }

    private static UsageException MissingModel() => new(
        "--model is missing: expected a Hugging Face model folder", "it can be left out only with --resume of a run that has a checkpoint");

    /// <summary>Refuses options that would be without effect, and warns of those with a danger.</summary>
    private static void RequireStoreOptions(TrainingOptions options, RunStore store, StoreDescription description, ILogger logger)
    {
        if (!store.IsOnDrives)
        {
            RequireLeftOut(options.SingleGeneration, "--single-generation", "states in memory always have a whole checkpoint beside the one that is written");
            RequireLeftOut(options.CommitEverySteps is not null, "--commit-every", "checkpoints of states in memory go by --checkpoint-every and --checkpoint-every-steps");
            RequireLeftOut(options.RatingTerabytes is not null, "--tbw", "it is about the drives on which the states live");
            return;
        }

        if (options.SingleGeneration && description.Generations != 1)
        {
            throw new UsageException(
                $"--resume: --single-generation: {description.Generations} generations before, 1 now", "a resumed run keeps its store: leave --single-generation out, or start another run");
        }

        if (description.Generations != 1)
        {
            return;
        }

        if (options.CommitEverySteps > 1)
        {
            throw new UsageException(
                $"--commit-every {options.CommitEverySteps}: expected 1 with --single-generation",
                "states that are updated in place are whole only where a step was committed: each step must be");
        }

        logger.LogWarning("{Message}", "--single-generation: states are updated in place; a crash or power cut inside a step loses the whole run");

        static void RequireLeftOut(bool isGiven, string option, string hint)
        {
            if (isGiven)
            {
                throw new UsageException($"{option}: expected --nvme with it", hint);
            }
        }
    }

    /// <summary>A resume has its own copies of configuration and tokenizer; a model that is named all the same must be that one.</summary>
    private static void RequireSameModel(TrainingOptions options, HubCompanions ofRun)
    {
        if (options.ModelFolder is { } named && HubCompanions.Read(named).DifferenceFrom(ofRun) is { } file)
        {
            throw new UsageException(
                $"--resume: --model {named}: its {file} is not the one that the run began with", "a resumed run keeps its model: leave --model out, or start another run");
        }
    }

    /// <summary>Refuses a run whose states, tokens and model will not find room, rather than losing its first hours.</summary>
    private static void RequireSpace(TrainingOptions options, ModelLayout layout, RunNumerics numerics, IEnumerable<(string Path, long SizeBytes)> storeNeeds)
    {
        List<(string Path, long SizeBytes)> needs = [.. storeNeeds];
        if (needs.Count > 0)
        {
            // Text has three bytes a token or more, and a token is stored in four. A resumed run has its tokens already.
            needs.Add((options.OutputFolder, options.DataFiles.Concat(options.EvalFiles).Sum(DataFile.Check) / 3 * sizeof(int)));
        }

        if (options.Export)
        {
            ModelExport.RequireReplaceable(Path.Combine(options.OutputFolder, RunFolder.ModelFolderName));
            needs.Add((options.OutputFolder, layout.NumParameters * (numerics.Type == ComputeType.Float32 ? 4 : 2)));
        }

        DiskSpace.RequireAll(needs);
    }

    /// <summary>As drives are sold: decimal, and small models too.</summary>
    private static string Format(long sizeBytes) => sizeBytes >= 10_000_000_000 ? $"{sizeBytes / 1e9:N1} GB"
        : sizeBytes >= 1_000_000_000 ? $"{sizeBytes / 1e9:N2} GB"
        : $"{sizeBytes / 1e6:N2} MB";

    private static void DescribeEndurance(TrainingOptions options, RunStore store, StoreGeometry geometry, ILogger logger)
    {
        if (!store.IsOnDrives)
        {
            return;
        }

        string life = options.RatingTerabytes is double rating
            ? $"; drives rated for {rating:N0} TB last {new DriveEndurance(rating).LifeSteps(geometry.StateBytes):N0} steps"
            : "";
        logger.LogInformation("{Message}", $"states on drives: {Format(geometry.SizeBytes)} in {string.Join(", ", store.Folders)}; each step reads and writes {Format(geometry.StateBytes)}{life}");
    }
}
