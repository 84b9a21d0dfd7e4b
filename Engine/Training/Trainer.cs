using Microsoft.Extensions.Logging;
using Offload.Engine.Compute;
using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.Tokenization;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Checkpoints;
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
    private RunProgress _progress = new();
    private long _bytesRead;
    private long _bytesWritten;

    /// <summary>Trains to the end.</summary>
    /// <param name="cancellation">Ends the run after the step in progress, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">Cancelled, after a commit.</exception>
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
        string initialHash = before?.InitialWeightsHash ?? LoadInitialWeights(model, modelFolder, numerics.Seed);
        RunSettings settings = RunSetup.Settings(options, numerics, data, initialHash, before);
        Resume(folder, settings, before, companions, model);
        logger.LogInformation("{Message}", RunSetup.Describe(settings, layout, data));
        Train(folder, settings, model, data, cancellation);
        return Finish(folder, settings, model, data, companions);
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

    private string LoadInitialWeights(ResidentModel model, string modelFolder, long seed)
    {
        if (options.FromScratch)
        {
            RandomInitialization.Fill(model, seed);
        }
        else
        {
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(modelFolder);
            IReadOnlyList<string> unused = ModelImport.Read(checkpoint, model);
            if (unused.Count > 0)
            {
                logger.LogWarning("{Message}", $"{unused.Count} tensors of the checkpoint have no place in the model and are left out, the first is '{unused[0]}'");
            }
        }

        model.RefreshWeights();
        return WeightsHash.Compute(model);
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
            _bytesRead += CheckpointParts(model).Sum(part => part.Buffer.SizeBytes);
            model.RefreshWeights();
            _progress = committed.Progress;
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
            _progress = _progress with { EvalLossBefore = Evaluate(folder, settings, model, data) };
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
            if (!isLast && options.EvalEverySteps is long every && _progress.Step % every == 0 && data.Eval is not null)
            {
                Evaluate(folder, settings, model, data);
            }

            bool isDue = time.GetElapsedTime(lastCommit) >= options.CheckpointEvery
                || (options.CheckpointEverySteps is long steps && _progress.Step % steps == 0);
            if (isDue || isLast || cancellation.IsCancellationRequested)
            {
                _bytesWritten += folder.Commit(_progress, CheckpointParts(model));
                lastCommit = time.GetTimestamp();
            }

            if (cancellation.IsCancellationRequested && !isLast)
            {
                logger.LogInformation("{Message}", $"committed after step {_progress.Step} of {settings.Steps}; the same command with --resume goes on");
                cancellation.ThrowIfCancellationRequested();
            }

            meter.Exclude(time.GetElapsedTime(pauseStart));
        }

        TokensPerSecond = meter.Average();
    }

    private double TokensPerSecond { get; set; }

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
            model.Update(decayed, plain, settings.WeightDecayScope);
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

    private double Evaluate(RunFolder folder, RunSettings settings, ResidentModel model, TrainingData data)
    {
        var report = new EvalReport(_progress.Step, model.Evaluate(data.EvalBatches(settings.Numerics.MicroBatchSequences)));
        folder.AppendMetrics(report);
        observer.OnEvaluation(report);
        return report.EvalLoss;
    }

    private TrainingResult Finish(RunFolder folder, RunSettings settings, ResidentModel model, TrainingData data, HubCompanions companions)
    {
        double? evalLoss = data.Eval is null ? null : Evaluate(folder, settings, model, data);
        if (options.Export)
        {
            ModelExport.Write(model, companions, folder.ModelFolder, settings.Numerics.Type);
        }

        var result = new TrainingResult
        {
            FinalLoss = _progress.LastLoss,
            EvalLossBefore = _progress.EvalLossBefore,
            EvalLoss = evalLoss,
            Steps = _progress.Step,
            SkippedSteps = _progress.NumSkipped,
            TokensPerSecond = TokensPerSecond,
            WeightsHash = WeightsHash.Compute(model),
            SsdBytesRead = _bytesRead,
            SsdBytesWritten = _bytesWritten,
            PeakCpuBytes = CpuMemory.PeakBytes(),
            PeakGpuBytes = 0,
            Output = folder.Path,
            ModelFolder = options.Export ? folder.ModelFolder : null,
        };
        folder.Finish(result);
        return result;
    }

    private static CheckpointPart[] CheckpointParts(ResidentModel model) =>
    [
        .. model.Units.SelectMany(unit => unit.Parts.Select(part => new CheckpointPart(
            CheckpointWeights.PartName(unit.Layout.Index, part.Role), CheckpointWeights.PartType(part.Role), part.Buffer))),
    ];
}
