using Microsoft.Extensions.Logging;
using Offload.Engine.Data;
using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Tokenization;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage.Devices;
using Offload.Storage.Safetensors;
using Offload.Storage.States;

namespace Offload.Engine.Profiling;

/// <summary>
/// Makes some steps of a training set-up, with the engine and the plan that a run of it would have, and tells where their time went. Trains in folders of its
/// own, which are removed whatever happens. Runs on the calling thread; libtorch must be loaded.
/// </summary>
/// <param name="options">What is measured.</param>
/// <param name="observer">Told how far the data is tokenised.</param>
/// <param name="logger">Told what was decided.</param>
public sealed class StepProfiler(StepProfileOptions options, ITrainingObserver observer, ILogger<StepProfiler> logger)
{
    /// <summary>Measures.</summary>
    /// <param name="cancellation">Stops after the step in progress.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="UsageException">The options make no sense, or nothing of the model is swapped.</exception>
    /// <exception cref="OffloadException">Bad input, a budget that does not suffice, or an I/O error.</exception>
    public StepProfileResult Run(CancellationToken cancellation)
    {
        if (options.Steps is < 1 or > StepProfileOptions.MaxSteps || options.WarmupSteps is < 0 or > StepProfileOptions.MaxSteps)
        {
            throw new UsageException($"--steps {options.Steps}, --warmup {options.WarmupSteps}: expected at most {StepProfileOptions.MaxSteps} of each, and one step or more");
        }

        if (SwapOptions.FirstThatSwaps(options.Training) is null)
        {
            throw new UsageException(
                "expected --gpu-memory, --schedule, --update or --plan: without any of them the model stays in memory, and no lanes are at work", "'offload train' tells the rate of such a run");
        }

        // Folders with their names, before any is made.
        OptionChecks.Check(options.Training with { OutputFolder = Path.GetTempPath() + Guid.NewGuid() });
        string modelFolder = options.Training.ModelFolder ?? throw new UsageException("--model is missing: expected a Hugging Face model folder", "offload profile step --help lists all options");
        HubFolder.Require(modelFolder);
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(modelFolder));
        using var folders = new ThrowawayFolders(options.Training.NvmeFolders);
        TrainingOptions training = options.Training with
        {
            OutputFolder = Path.Join(folders.Run, "run"),
            NvmeFolders = folders.Nvme,
            Resume = false,
            EvalFraction = 0,
            EvalFiles = [],
            OnNonFinite = NonFiniteAction.Stop,
        };
        using RunFolder folder = RunFolder.OpenForTraining(training.OutputFolder);
        return Run(training, folder, folders, layout, cancellation);
    }

    private StepProfileResult Run(TrainingOptions training, RunFolder folder, ThrowawayFolders folders, ModelLayout layout, CancellationToken cancellation)
    {
        RunStore place = RunStore.Find(folder, training.NvmeFolders, new StoreFilesOptions { Store = new StoreOptions { Warn = Warn } });
        RunNumerics numerics = RunSetup.Numerics(training, layout.Config, before: null);
        var owner = StoreOwner.Of(layout, numerics.Type, Guid.NewGuid().ToString("n"));
        StoreDescription description = owner.Describe(layout, training.TileParameters, generations: 2);
        SwapOptions.Check(training, before: null, place.IsOnDrives);
        SwappedRun swapped = SwappedRun.Create(training, layout, numerics, before: null, place, description, logger)!;
        var report = new StepProfileReport(options, training, layout, swapped, place.IsOnDrives);
        using TrainingData? data = training.DataFiles.Count == 0
            ? null
            : TrainingData.Prepare(training, before: null, swapped.Numerics, folder, TokenizerLoader.Load(training.ModelFolder!), layout.Config.VocabularySize, observer, cancellation);
        BatchSource source = data?.Train ?? RandomTokens(layout, swapped.Numerics);
        ComputeThreads.Set(swapped.Numerics.ComputeThreads);
        using StateStore store = place.IsOnDrives ? place.Create(description) : CreateUnused(folders, description);
        using SwapModel model = RunModels.CreateSwapped(layout, swapped, training, store, place.IsOnDrives ? place.Folders : [folders.Run], options.Steps + 1);
        LoadWeights(training, model, swapped.Numerics, cancellation);
        if (place.IsOnDrives)
        {
            store.Commit(0, []);
        }

        folders.ForgetFiles();

        // Random tokens have larger gradients than text: a speculative step that a run makes once would be made twice here, unless it is asked for.
        double maxGradNorm = training.MaxGradNorm ?? RunSetup.DefaultMaxGradNorm;
        var decider = new ProfileDecider(data is null && training.MaxGradNorm is null ? double.PositiveInfinity : maxGradNorm, store);
        DeviceTraffic traffic = Train(model, source, RunSetup.SequencesPerStep(training, numerics, before: null), swapped.Numerics, decider, cancellation);
        if (decider.NumSkipped > 0)
        {
            Warn($"{decider.NumSkipped} steps were not finite: they made no update, and took less time");
        }

        return report.Of(model, traffic, place.IsOnDrives ? StoreGeometry.Of(description).SizeBytes : 0);
    }

    private void Warn(string text) => logger.LogWarning("{Message}", text);

    private static BatchSource RandomTokens(ModelLayout layout, RunNumerics numerics)
    {
        var sequences = new RandomSequences(layout.Config.VocabularySize, numerics.SequenceTokens);
        return new BatchSource(sequences, SequenceOrder.AsStored(sequences.NumSequences));
    }

    /// <summary>A store for a model that stays in memory: nothing is written to it, and its file, which has no name, takes no room.</summary>
    private static StateStore CreateUnused(ThrowawayFolders folders, StoreDescription description)
    {
        string path = Path.Join(folders.Run, "unused");
        using (FileStream file = File.Create(path))
        {
            file.SetLength(StoreGeometry.Of(description).SizeBytes);
        }

        return StateStore.Create(DirectFileDevice.Open(path, new DirectFileOptions { TryDirect = false }), description);
    }

    private static void LoadWeights(TrainingOptions training, SwapModel model, RunNumerics numerics, CancellationToken cancellation)
    {
        if (training.FromScratch)
        {
            RandomInitialization.Fill(model.States, numerics.Seed, cancellation);
        }
        else
        {
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(training.ModelFolder!);
            ModelImport.Read(checkpoint, model.States, cancellation);
        }

        model.States.CompleteMasters();
    }

    /// <summary>
    /// Makes all steps; returns what they moved to and from the drives. Of all of them, with what is left to do at the end: steps overlap, and of some of them
    /// nobody knows what belongs to which.
    /// </summary>
    private DeviceTraffic Train(SwapModel model, BatchSource data, long sequencesPerStep, RunNumerics numerics, ProfileDecider decider, CancellationToken cancellation)
    {
        long numSteps = options.WarmupSteps + options.Steps;
        DeviceTraffic before = model.DriveTraffic;
        long numBegun = 0;
        for (long numEnded = 0; numEnded < numSteps;)
        {
            cancellation.ThrowIfCancellationRequested();
            for (; numBegun < numSteps && numBegun - numEnded < model.MaxBegun; numBegun++)
            {
                model.Begin(new StepWork(numBegun, [.. data.ReadRange(numBegun * sequencesPerStep, sequencesPerStep, numerics.MicroBatchSequences)], decider));
            }

            model.End();
            if (++numEnded == options.WarmupSteps)
            {
                logger.LogInformation("{Message}", $"warm; measuring {options.Steps} steps");
            }
        }

        model.Complete();
        DeviceTraffic after = model.DriveTraffic;
        return new DeviceTraffic(after.BytesRead - before.BytesRead, after.BytesWritten - before.BytesWritten, after.Flushes - before.Flushes);
    }
}
