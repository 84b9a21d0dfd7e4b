using Microsoft.Extensions.Logging;
using Offload.Engine.Compute;
using Offload.Engine.Data;
using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Tokenization;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Checkpoints;
using Offload.Storage.Files;
using Offload.Storage.Safetensors;

namespace Offload.Engine.Training;

/// <summary>
/// Fine-tunes a model whose states fit in memory: data, steps, evaluation, checkpoints, export. Runs on the calling thread; libtorch
/// must be loaded. With equal <see cref="RunSettings"/> and machine, the weights are equal bit for bit, interrupted or not.
/// </summary>
/// <param name="options">What is asked.</param>
/// <param name="observer">Told of progress.</param>
/// <param name="logger">Told what was decided, resumed, skipped.</param>
/// <param name="time">The clock of rates and checkpoint intervals.</param>
public sealed class Trainer(TrainingOptions options, ITrainingObserver observer, ILogger<Trainer> logger, TimeProvider time)
{
    /// <summary>Masters in two halves, and two moments.</summary>
    private const long StateBytesPerParameter = 12;

    private RunProgress _progress = new();

    /// <summary>Trains to the end.</summary>
    /// <param name="cancellation">Ends the run after the step in progress, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">Cancelled; what steps were done is committed.</exception>
    /// <exception cref="OffloadException">Bad input, a budget that does not suffice, or an I/O error.</exception>
    public TrainingResult Run(CancellationToken cancellation)
    {
        OptionChecks.Check(options);
        RunSettings? before;
        string modelFolder;
        using (RunFolder existing = RunFolder.OpenForReading(options.OutputFolder))
        {
            if (Earlier(existing) is { } result)
            {
                return result;
            }

            before = CommittedSettings(existing);
            modelFolder = before is null ? options.ModelFolder ?? throw MissingModel() : existing.BaseFolder;
        }

        HubFolder.Require(modelFolder);
        DecoderConfig config = HubConfig.Load(modelFolder);
        ModelLayout layout = ModelLayout.Create(config);
        RunNumerics numerics = RunSetup.Numerics(options, config, before?.Numerics);
        HubCompanions companions = HubCompanions.Read(modelFolder);
        if (before is not null)
        {
            RequireSameModel(companions);
        }

        ITokenizer tokenizer = TokenizerLoader.Load(modelFolder);
        ResidentPlanner.Plan(layout, numerics).RequireWithin(
            options.CpuMemoryBytes ?? CpuMemory.AvailableBytes(), options.CpuMemoryBytes is null ? "free memory" : "--cpu-memory");
        RequireSpace(layout, numerics, before);
        using RunFolder folder = RunFolder.OpenForTraining(options.OutputFolder);
        // Asked again under the lock: another process may have come and gone.
        if (Earlier(folder) is { } earlier)
        {
            return earlier;
        }

        if ((CommittedSettings(folder) is null) != (before is null))
        {
            throw new UsageException($"--output {options.OutputFolder}: another process was using this run until just now", "give the same command again");
        }

        if (config.Dropout > 0)
        {
            logger.LogInformation("{Message}", $"config.json names a dropout of {config.Dropout}; it is off in training");
        }

        using TrainingData data = TrainingData.Prepare(options, before, numerics, folder, tokenizer, config.VocabularySize, observer, cancellation);
        ComputeThreads.Set(numerics.ComputeThreads);
        using var threads = new ParallelRanges(numerics.ComputeThreads);
        using var model = new ResidentModel(layout, numerics, threads);
        string initialHash = before?.InitialWeightsHash ?? LoadInitialWeights(model, modelFolder, numerics.Seed, cancellation);
        RunSettings settings = RunSetup.Settings(options, numerics, data, initialHash, before);
        Resume(folder, settings, before, companions, model);
        logger.LogInformation("{Message}", RunSetup.Describe(settings, layout, data));
        Train(folder, settings, model, data, cancellation);
        return Finish(folder, settings, model, data, companions, cancellation);
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

        TrainingResult? result = folder.ReadResult();
        if (result is not null)
        {
            // Nobody else is at work in a finished run; a process that was killed right after it wrote the result left them.
            folder.RemoveTokens();
            logger.LogInformation("{Message}", $"the run in {folder.Path} is finished; this is its result");
        }

        return result;
    }

    /// <summary>The settings of a run that has a checkpoint; null if it has none.</summary>
    private static RunSettings? CommittedSettings(RunFolder folder) => folder.ReadProgress() is null
        ? null
        : folder.ReadSettings() ?? throw new StoreMismatchException(folder.Path, "a checkpoint without run.json", "the folder is damaged; start anew in another one");

    private static UsageException MissingModel() => new(
        "--model is missing: expected a Hugging Face model folder", "it can be left out only with --resume of a run that has a checkpoint");

    /// <summary>A resume has its own copies of configuration and tokenizer; a model that is named all the same must be that one.</summary>
    private void RequireSameModel(HubCompanions ofRun)
    {
        if (options.ModelFolder is { } named && HubCompanions.Read(named).DifferenceFrom(ofRun) is { } file)
        {
            throw new UsageException(
                $"--resume: --model {named}: its {file} is not the one that the run began with", "a resumed run keeps its model: leave --model out, or start another run");
        }
    }

    /// <summary>Refuses a run whose checkpoints and model will not find room, rather than losing its first hours.</summary>
    private void RequireSpace(ModelLayout layout, RunNumerics numerics, RunSettings? before)
    {
        long checkpointBytes = StateBytesPerParameter * layout.NumParameters;
        // One is written beside the last one; a resumed run has the last one already, and its tokens.
        long neededBytes = before is null ? (2 * checkpointBytes) + EstimateTokenBytes() : checkpointBytes;
        if (options.Export)
        {
            string modelFolder = Path.Combine(options.OutputFolder, RunFolder.ModelFolderName);
            ModelExport.RequireReplaceable(modelFolder);
            neededBytes += layout.NumParameters * (numerics.Type == ComputeType.Float32 ? 4 : 2);
        }

        DiskSpace.Require(options.OutputFolder, neededBytes);
    }

    /// <summary>Text has three bytes a token or more, and a token is stored in four.</summary>
    private long EstimateTokenBytes() => options.DataFiles.Concat(options.EvalFiles).Sum(DataFile.Check) / 3 * sizeof(int);

    private string LoadInitialWeights(ResidentModel model, string modelFolder, long seed, CancellationToken cancellation)
    {
        if (options.FromScratch)
        {
            RandomInitialization.Fill(model, seed);
        }
        else
        {
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(modelFolder);
            IReadOnlyList<string> unused = ModelImport.Read(checkpoint, model, cancellation);
            if (unused.Count > 0)
            {
                logger.LogWarning("{Message}", $"{unused.Count} tensors of the checkpoint have no place in the model and are left out, the first is '{unused[0]}'");
            }
        }

        model.CompleteMasters();
        return WeightsHash.Compute(model, cancellation);
    }

    private void Resume(RunFolder folder, RunSettings settings, RunSettings? before, HubCompanions companions, ResidentModel model)
    {
        if (before is not null && folder.ReadProgress() is { } committed)
        {
            string[] differences = [.. settings.DifferencesFrom(before)];
            if (differences.Length > 0)
            {
                throw new UsageException(
                    $"--resume: {string.Join("; ", differences)}", "a resumed run keeps its settings: give the same ones, or start another run");
            }

            folder.Checkpoints.Read(committed.Commit, CheckpointParts(model));
            model.CompleteMasters();
            _progress = committed.Progress with { SsdBytesRead = committed.Progress.SsdBytesRead + StateBytes(model) };
            folder.KeepMetricsUpTo(_progress.Step);
            logger.LogInformation("{Message}", $"resumed after step {_progress.Step} of {settings.Steps}");
            return;
        }

        if (options.Resume)
        {
            logger.LogInformation("{Message}", $"nothing was committed in {folder.Path} yet: the run starts anew");
        }

        folder.Begin(settings, companions);
    }

    private void Train(RunFolder folder, RunSettings settings, ResidentModel model, TrainingData data, CancellationToken cancellation)
    {
        var meter = new ThroughputMeter(time);
        double flopsPerToken = ResidentPlanner.Profile(model.Layout).FlopsPerToken(settings.Numerics.SequenceTokens);
        if (_progress.Step == 0 && data.Eval is not null)
        {
            _progress = _progress with { EvalLossBefore = Evaluate(folder, settings, model, data, cancellation) };
        }

        long lastCommit = time.GetTimestamp();
        meter.Start();
        while (_progress.Step < settings.Steps)
        {
            StepReport report = Step(settings, model, data, meter, flopsPerToken);
            folder.AppendMetrics(report);
            observer.OnStep(report);
            long pauseStart = time.GetTimestamp();
            bool isLast = _progress.Step == settings.Steps;
            bool isDue = time.GetElapsedTime(lastCommit) >= options.CheckpointEvery
                || (options.CheckpointEverySteps is long steps && _progress.Step % steps == 0);
            if (isDue || isLast || cancellation.IsCancellationRequested)
            {
                Commit(folder, model, meter);
                lastCommit = time.GetTimestamp();
            }

            // After the commit: an evaluation may take long.
            if (!isLast && options.EvalEverySteps is long every && _progress.Step % every == 0 && data.Eval is not null && !cancellation.IsCancellationRequested)
            {
                try
                {
                    Evaluate(folder, settings, model, data, cancellation);
                }
                catch (OperationCanceledException)
                {
                    // The run ends below, with a commit.
                }
            }

            if (!isLast && cancellation.IsCancellationRequested)
            {
                // The signal may have come after the commit was decided on above.
                if (!IsCommitted(folder))
                {
                    Commit(folder, model, meter);
                }

                logger.LogInformation("{Message}", $"committed after step {_progress.Step} of {settings.Steps}");
                cancellation.ThrowIfCancellationRequested();
            }

            meter.Exclude(time.GetElapsedTime(pauseStart));
        }
    }

    private bool IsCommitted(RunFolder folder) => folder.ReadProgress()?.Progress.Step == _progress.Step;

    private void Commit(RunFolder folder, ResidentModel model, ThroughputMeter meter)
    {
        _progress = _progress with { SsdBytesWritten = _progress.SsdBytesWritten + StateBytes(model), TokensPerSecond = meter.Average() };
        folder.Commit(_progress, CheckpointParts(model));
    }

    private StepReport Step(RunSettings settings, ResidentModel model, TrainingData data, ThroughputMeter meter, double flopsPerToken)
    {
        long step = _progress.Step;
        MicroBatch[] batches = [.. data.Train.ReadRange(step * settings.SequencesPerStep, settings.SequencesPerStep, settings.Numerics.MicroBatchSequences)];
        StepGradients gradients = model.ComputeGradients(batches);
        double learningRate = settings.LearningRate.At(step);
        if (gradients.IsFinite)
        {
            float scale = GradientNorm.ClipScale(gradients.Norm, settings.MaxGradNorm);
            var plain = new AdamWStep(new AdamWOptions(settings.Beta1, settings.Beta2, settings.Epsilon, 0), learningRate, _progress.NumUpdates + 1, scale);
            var decayed = new AdamWStep(
                new AdamWOptions(settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay), learningRate, _progress.NumUpdates + 1, scale);
            model.Update(new UpdateStep(decayed, plain, settings.WeightDecayScope));
        }
        else
        {
            long skippedInARow = _progress.NumSkippedInARow + 1;
            string culprit = gradients.NonFiniteUnit is null ? "the loss" : $"the gradient of the {gradients.NonFiniteUnit}";
            logger.LogWarning("{Message}", $"step {step + 1} is skipped: {culprit} is not finite");
            if (skippedInARow >= options.MaxSkippedSteps)
            {
                throw new TrainingDivergedException(step + 1, skippedInARow, culprit);
            }
        }

        _progress = _progress with
        {
            Step = step + 1,
            NumUpdates = _progress.NumUpdates + (gradients.IsFinite ? 1 : 0),
            NumSkipped = _progress.NumSkipped + (gradients.IsFinite ? 0 : 1),
            NumSkippedInARow = gradients.IsFinite ? 0 : _progress.NumSkippedInARow + 1,
            LastLoss = gradients.Loss,
        };
        long tokens = settings.SequencesPerStep * settings.Numerics.SequenceTokens;
        double tokensPerSecond = meter.EndStep(tokens);
        return new StepReport(
            step + 1,
            settings.Steps,
            gradients.Loss,
            learningRate,
            gradients.Norm,
            tokensPerSecond,
            tokensPerSecond * flopsPerToken / 1e12,
            (settings.Steps - step - 1) * tokens / tokensPerSecond,
            !gradients.IsFinite);
    }

    private double Evaluate(RunFolder folder, RunSettings settings, ResidentModel model, TrainingData data, CancellationToken cancellation)
    {
        IEnumerable<MicroBatch> batches = data.EvalBatches(settings.Numerics.MicroBatchSequences).Select(batch =>
        {
            cancellation.ThrowIfCancellationRequested();
            return batch;
        });
        var report = new EvalReport(_progress.Step, model.Evaluate(batches));
        folder.AppendMetrics(report);
        observer.OnEvaluation(report);
        return report.EvalLoss;
    }

    private TrainingResult Finish(RunFolder folder, RunSettings settings, ResidentModel model, TrainingData data, HubCompanions companions, CancellationToken cancellation)
    {
        double? evalLoss = data.Eval is null ? null : Evaluate(folder, settings, model, data, cancellation);
        if (options.Export)
        {
            ModelExport.Write(model, companions, folder.ModelFolder, settings.Numerics.Type, cancellation);
        }

        var result = new TrainingResult
        {
            FinalLoss = _progress.LastLoss,
            EvalLossBefore = _progress.EvalLossBefore,
            EvalLoss = evalLoss,
            Steps = _progress.Step,
            SkippedSteps = _progress.NumSkipped,
            TokensPerSecond = _progress.TokensPerSecond,
            WeightsHash = WeightsHash.Compute(model, cancellation),
            SsdBytesRead = _progress.SsdBytesRead,
            SsdBytesWritten = _progress.SsdBytesWritten,
            PeakCpuBytes = CpuMemory.PeakBytes(),
            PeakGpuBytes = 0,
            Output = folder.Path,
            ModelFolder = options.Export ? folder.ModelFolder : null,
        };
        folder.Finish(result);
        return result;
    }

    private static long StateBytes(ResidentModel model) => CheckpointParts(model).Sum(part => part.Buffer.SizeBytes);

    private static CheckpointPart[] CheckpointParts(ResidentModel model) =>
    [
        .. ((ResidentStates)model.States).Units.SelectMany(unit => unit.Parts.Select(part => new CheckpointPart(
            CheckpointWeights.PartName(unit.Unit.Layout.Index, part.Role), CheckpointWeights.PartType(part.Role), part.Buffer))),
    ];
}
