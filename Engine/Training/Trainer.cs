using Microsoft.Extensions.Logging;
using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Profiles;
using Offload.Storage.Safetensors;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>
/// Fine-tunes a model: data, steps, evaluation, commits, export. Runs on the
/// calling thread; libtorch must be loaded. With equal <see cref="RunSettings"/> and machine, the weights are equal bit for bit, wherever the
/// states live, interrupted or not.
/// </summary>
/// <param name="options">What is asked.</param>
/// <param name="observer">Told of progress.</param>
/// <param name="logger">Told what was decided, resumed, skipped.</param>
/// <param name="time">The clock of rates and checkpoint intervals.</param>
public sealed class Trainer(TrainingOptions options, ITrainingObserver observer, ILogger<Trainer> logger, TimeProvider time)
{
    /// <summary>Trains to the end.</summary>
    /// <param name="cancellation">Ends the run after the step in progress, with a commit.</param>
    /// <exception cref="OperationCanceledException">Cancelled; what steps were done is committed.</exception>
    /// <exception cref="OffloadException">Bad input, a budget that does not suffice, or an I/O error.</exception>
    public TrainingResult Run(CancellationToken cancellation)
    {
        OptionChecks.Check(options);
        using RunFolder folder = RunFolder.OpenForTraining(options.OutputFolder);
        if (Earlier(folder) is { } result)
        {
            return result;
        }

        RunPreflight run = RunPreflight.Check(options, folder, logger);
        DecoderConfig config = run.Base.Layout.Config;
        if (config.Dropout > 0)
        {
            logger.LogInformation("{Message}", $"config.json names a dropout of {config.Dropout}; it is off in training");
        }

        using TrainingData data = TrainingData.Prepare(options, run.Before, run.Numerics, folder, run.Tokenizer, config.VocabularySize, observer, cancellation);
        if (run.Before is { } before)
        {
            // Before anything large is allocated or read.
            RequireSameSettings(RunSetup.Settings(options, run.Numerics, data, run.Owner.Run, before.InitialWeightsHash, before), before);
            return Train(folder, run, data, cancellation);
        }

        RemoveEarlier(folder, run.Store);
        try
        {
            return Train(folder, run, data, cancellation);
        }
        catch when (StoreFiles.StateOf(run.Store.Folders) != StoreFilesState.Committed)
        {
            // Nothing was committed: nothing is left. The store is disposed of by now.
            folder.Forget();
            run.Store.RemoveHalfMade();
            throw;
        }
    }

    private TrainingResult Train(RunFolder folder, RunPreflight run, TrainingData data, CancellationToken cancellation)
    {
        ComputeThreads.Set(run.Numerics.ComputeThreads);
        using var threads = new ParallelRanges(options.UpdateThreads ?? run.Numerics.ComputeThreads);
        (StateStore opened, RunProgress progress) = run.Before is null ? (run.Store.Create(run.Description), new RunProgress()) : run.Store.Open(run.Owner, run.Base.Layout);
        using StateStore store = opened;
        using RunModel model = RunModels.Create(run, options, store, threads);
        string initialHash = run.Before?.InitialWeightsHash ?? LoadInitialWeights(model, run, cancellation);
        RunSettings settings = RunSetup.Settings(options, run.Numerics, data, run.Owner.Run, initialHash, run.Before);
        var loop = new TrainingLoop(options, settings, folder, model, run.Store.IsOnDrives, store, data, observer, logger, time);
        if (run.Before is not null)
        {
            model.States.Load(cancellation);
            if (run.Store.IsOnDrives)
            {
                folder.MoveStoreFolders(run.Store.Folders);
            }

            loop.Resume(progress);
        }
        else
        {
            Begin(folder, run, settings, loop);
        }

        logger.LogInformation("{Message}", RunSetup.Describe(settings, run.Base.Layout, data));
        loop.Train(cancellation);
        return loop.Finish(run.Base.Companions, cancellation);
    }

    /// <summary>
    /// Of a run of which nothing was committed, its record goes before anything is done to its store, so that an error on the way leaves no record
    /// without a store; then its half-made store, if the new one is made elsewhere.
    /// </summary>
    private static void RemoveEarlier(RunFolder folder, RunStore store)
    {
        RunStore earlier = RunStore.Find(folder, [], new StoreFilesOptions());
        folder.Forget();
        if (!earlier.Folders.Select(Path.GetFullPath).SequenceEqual(store.Folders.Select(Path.GetFullPath)))
        {
            earlier.RemoveHalfMade();
        }
    }

    private static void RequireSameSettings(RunSettings settings, RunSettings before)
    {
        string[] differences = [.. settings.DifferencesFrom(before)];
        if (differences.Length > 0)
        {
            throw new UsageException(
                $"--resume: {string.Join("; ", differences)}", "a resumed run keeps its settings: give the same ones, or start another run");
        }
    }

    /// <summary>A finished run's result, if that is what a resume asks for; refuses a used folder without --resume.</summary>
    private TrainingResult? Earlier(RunFolder folder)
    {
        if (!folder.IsUsed())
        {
            return null;
        }

        if (!options.Resume)
        {
            throw new UsageException(
                $"--output {folder.Path}: expected an empty folder, found a run", "continue it with --resume, or choose another folder");
        }

        // Another version is said before anything is read that it may have written differently.
        _ = folder.ReadSettings();
        TrainingResult? result = folder.ReadResult();
        if (result is not null)
        {
            // Nobody else is at work in a finished run; a process that was killed right after it wrote the result left them.
            folder.RemoveTokens();
            logger.LogInformation("{Message}", $"the run in {folder.Path} is finished; this is its result");
        }

        return result;
    }

    /// <summary>Records the run. States on drives are committed at once: a long import is not made twice.</summary>
    private void Begin(RunFolder folder, RunPreflight run, RunSettings settings, TrainingLoop loop)
    {
        if (options.Resume)
        {
            logger.LogInformation("{Message}", $"nothing was committed in {folder.Path} yet: the run starts anew");
        }

        folder.WriteStoreFolders(run.Store.IsOnDrives ? run.Store.Folders : null);
        folder.Begin(settings, run.Base.Companions);
        if (run.Store.IsOnDrives)
        {
            loop.CommitBeginning();
        }
    }

    private string LoadInitialWeights(RunModel model, RunPreflight run, CancellationToken cancellation)
    {
        if (options.FromScratch)
        {
            RandomInitialization.Fill(model.Target, run.Numerics.Seed, cancellation);
        }
        else
        {
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(run.Base.Folder);
            IReadOnlyList<string> unused = ModelImport.Read(checkpoint, model.Target, cancellation);
            if (unused.Count > 0)
            {
                logger.LogWarning("{Message}", $"{unused.Count} tensors of the checkpoint have no place in the model and are left out, the first is '{unused[0]}'");
            }
        }

        model.Target.CompleteMasters();
        return WeightsHash.Compute(model.Training, cancellation);
    }
}
