using System.Text.Json;
using Microsoft.Extensions.Logging;
using Offload.Engine.Compute;
using Offload.Engine.Hub;
using Offload.Engine.Optimizers;
using Offload.Engine.States;
using Offload.Profiles;
using Offload.Storage.Devices;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>A run's steps, evaluations and commits, from where it stands to its result. One thread; owns nothing that it is given.</summary>
internal sealed class TrainingLoop(
    TrainingOptions options,
    RunSettings settings,
    RunFolder folder,
    ResidentModel model,
    IStoredStates states,
    StateStore store,
    TrainingData data,
    ITrainingObserver observer,
    ILogger logger,
    TimeProvider time)
{
    private readonly ThroughputMeter _meter = new(time);
    private readonly double _flopsPerToken = ResidentPlanner.Profile(model.Layout).FlopsPerToken(settings.Numerics.SequenceTokens);
    private readonly bool _areStatesOnDrives = model.States is StoreStates;
    private RunProgress _progress = new();
    private DeviceTraffic _reported;
    private long _bytesReadBefore;
    private long _bytesWrittenBefore;
    private long _committedStep;
    private long _lastCommit = time.GetTimestamp();
    private bool _isEvaluationLeft;

    /// <summary>False while the states are between two steps, and after a commit that failed.</summary>
    private bool _areStatesWhole = true;

    private long StepTokens => settings.SequencesPerStep * settings.Numerics.SequenceTokens;

    private bool IsDone => _progress.Step >= settings.Steps;

    /// <summary>Goes on from a commit; the states are loaded.</summary>
    /// <param name="committed">Of the commit.</param>
    public void Resume(RunProgress committed)
    {
        _progress = committed;
        _committedStep = committed.Step;
        _bytesReadBefore = committed.SsdBytesRead;
        _bytesWrittenBefore = committed.SsdBytesWritten;
        // The evaluation at the end is always made again, the one at the beginning if it is not in the commit.
        bool isEvaluated = folder.Metrics.Keep(committed.Step, keepsEvaluation: !IsDone && (committed.Step > 0 || committed.EvalLossBefore is not null));
        _isEvaluationLeft = !isEvaluated && IsEvaluationDue();
        logger.LogInformation("{Message}", $"resumed after step {committed.Step} of {settings.Steps}");
    }

    /// <summary>Makes the steps that are left.</summary>
    /// <param name="cancellation">Ends the run after the step in progress, with a commit.</param>
    /// <exception cref="OperationCanceledException">Cancelled; what steps were done is committed.</exception>
    public void Train(CancellationToken cancellation)
    {
        if (_progress.Step == 0)
        {
            // What was written so far is the store itself and its first weights.
            _progress = _progress with { SsdBytesWrittenBeforeSteps = _bytesWrittenBefore + store.Device.Traffic.BytesWritten };
        }

        if (_progress.Step == 0 && data.Eval is not null && _progress.EvalLossBefore is null)
        {
            _progress = _progress with { EvalLossBefore = Evaluate(cancellation) };
        }
        else if (_isEvaluationLeft)
        {
            Evaluate(cancellation);
        }

        _reported = store.Device.Traffic;
        _lastCommit = time.GetTimestamp();
        _meter.Start();
        try
        {
            while (!IsDone)
            {
                TrainStep(cancellation);
            }
        }
        catch
        {
            CommitAfterError();
            throw;
        }
    }

    /// <summary>Commits where the run stands.</summary>
    public void Commit()
    {
        // The average first: a checkpoint is no part of the steps.
        double tokensPerSecond = _progress.Step == _committedStep ? _progress.TokensPerSecond : _meter.Average();
        _areStatesWhole = false;
        states.Save();
        DeviceTraffic traffic = store.Device.Traffic;
        _progress = _progress with
        {
            SsdBytesRead = _bytesReadBefore + traffic.BytesRead,
            SsdBytesWritten = _bytesWrittenBefore + traffic.BytesWritten,
            TokensPerSecond = tokensPerSecond,
        };
        store.Commit(_progress.Step, JsonSerializer.SerializeToUtf8Bytes(_progress, RunJson.Compact));
        _areStatesWhole = true;
        _committedStep = _progress.Step;
        _lastCommit = time.GetTimestamp();
    }

    /// <summary>Evaluates, exports, and writes the result.</summary>
    /// <param name="companions">What goes beside the exported weights.</param>
    /// <param name="cancellation">Stops it; a resume does it again.</param>
    public TrainingResult Finish(HubCompanions companions, CancellationToken cancellation)
    {
        double? evalLoss = data.Eval is null ? null : Evaluate(cancellation);
        if (options.Export)
        {
            ModelExport.Write(model, companions, folder.ModelFolder, settings.Numerics.Type, cancellation);
        }

        string weightsHash = WeightsHash.Compute(model, cancellation);
        DeviceTraffic traffic = store.Device.Traffic;
        long bytesWritten = _bytesWrittenBefore + traffic.BytesWritten;
        DriveEndurance? endurance = options.RatingTerabytes is double rating ? new DriveEndurance(rating) : null;
        double bytesPerStep = (bytesWritten - _progress.SsdBytesWrittenBeforeSteps) / (double)settings.Steps;
        var result = new TrainingResult
        {
            FinalLoss = _progress.LastLoss,
            EvalLossBefore = _progress.EvalLossBefore,
            EvalLoss = evalLoss,
            Steps = _progress.Step,
            SkippedSteps = _progress.NumSkipped,
            TokensPerSecond = _progress.TokensPerSecond,
            WeightsHash = weightsHash,
            SsdBytesRead = _bytesReadBefore + traffic.BytesRead,
            SsdBytesWritten = bytesWritten,
            SsdBytesPerStep = bytesPerStep,
            DriveLifeSteps = bytesPerStep > 0 ? endurance?.LifeSteps(bytesPerStep) : null,
            DriveLifeDays = bytesPerStep > 0 && _progress.TokensPerSecond > 0 ? endurance?.LifeDays(bytesPerStep, StepTokens / _progress.TokensPerSecond) : null,
            PeakCpuBytes = CpuMemory.PeakBytes(),
            PeakGpuBytes = 0,
            Output = folder.Path,
            ModelFolder = options.Export ? folder.ModelFolder : null,
        };
        folder.Finish(result);
        return result;
    }

    private void TrainStep(CancellationToken cancellation)
    {
        StepReport report = Step();
        folder.Metrics.Append(report);
        observer.OnStep(report);
        CommitIfDue(cancellation);
        // After the commit: an evaluation may take long.
        EvaluateIfDue(cancellation);
        if (!IsDone && cancellation.IsCancellationRequested)
        {
            // The signal may have come after the commit was decided on above.
            if (_committedStep != _progress.Step)
            {
                Commit();
            }

            logger.LogInformation("{Message}", $"committed after step {_progress.Step} of {settings.Steps}");
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Steps that are done are not lost to an error beside the states: a full disk below --output, a closed pipe, a loss that is no number.</summary>
    private void CommitAfterError()
    {
        if (!_areStatesWhole || _committedStep == _progress.Step)
        {
            return;
        }

        try
        {
            Commit();
            logger.LogInformation("{Message}", $"committed after step {_progress.Step} of {settings.Steps}");
        }
        catch (OffloadException error)
        {
            // The first error is on its way up.
            logger.LogWarning("{Message}", $"the steps since step {_committedStep} are lost: {error.Message}");
        }
    }

    private bool IsEvaluationDue() =>
        !IsDone && _progress.Step > 0 && data.Eval is not null && options.EvalEverySteps is long every && _progress.Step % every == 0;

    private bool IsCommitDue() => _areStatesOnDrives
        ? _progress.Step % (options.CommitEverySteps ?? 1) == 0
        : time.GetElapsedTime(_lastCommit) >= options.CheckpointEvery || (options.CheckpointEverySteps is long steps && _progress.Step % steps == 0);

    private void CommitIfDue(CancellationToken cancellation)
    {
        if (!IsCommitDue() && !IsDone && !cancellation.IsCancellationRequested)
        {
            return;
        }

        long start = time.GetTimestamp();
        // First: the lines of a committed step are not written again.
        folder.Metrics.Flush();
        Commit();
        if (!_areStatesOnDrives)
        {
            // A checkpoint is no part of a step; the commit of states on drives is.
            _meter.Exclude(time.GetElapsedTime(start));
        }
    }

    private void EvaluateIfDue(CancellationToken cancellation)
    {
        if (!IsEvaluationDue() || cancellation.IsCancellationRequested)
        {
            return;
        }

        long start = time.GetTimestamp();
        try
        {
            Evaluate(cancellation);
        }
        catch (OperationCanceledException)
        {
            // The run ends with a commit; a resume makes the evaluation.
        }

        _meter.Exclude(time.GetElapsedTime(start));
    }

    private StepReport Step()
    {
        long step = _progress.Step;
        MicroBatch[] batches = [.. data.Train.ReadRange(step * settings.SequencesPerStep, settings.SequencesPerStep, settings.Numerics.MicroBatchSequences)];
        StepGradients gradients = model.ComputeGradients(batches);
        double learningRate = settings.LearningRate.At(step);
        if (gradients.IsFinite)
        {
            _areStatesWhole = false;
            Update(gradients, learningRate);
        }
        else
        {
            Skip(gradients, step);
        }

        _progress = _progress with
        {
            Step = step + 1,
            NumUpdates = _progress.NumUpdates + (gradients.IsFinite ? 1 : 0),
            NumSkipped = _progress.NumSkipped + (gradients.IsFinite ? 0 : 1),
            NumSkippedInARow = gradients.IsFinite ? 0 : _progress.NumSkippedInARow + 1,
            LastLoss = gradients.Loss,
        };
        _areStatesWhole = true;
        double tokensPerSecond = _meter.EndStep(StepTokens);
        DeviceTraffic before = _reported;
        _reported = store.Device.Traffic;
        return new StepReport(
            step + 1,
            settings.Steps,
            gradients.Loss,
            learningRate,
            gradients.Norm,
            tokensPerSecond,
            tokensPerSecond * _flopsPerToken / 1e12,
            (settings.Steps - step - 1) * StepTokens / tokensPerSecond,
            !gradients.IsFinite,
            _reported.BytesRead - before.BytesRead,
            _reported.BytesWritten - before.BytesWritten);
    }

    private void Update(StepGradients gradients, double learningRate)
    {
        float scale = GradientNorm.ClipScale(gradients.Norm, settings.MaxGradNorm);
        model.Update(new UpdateStep(Constants(settings.WeightDecay), Constants(weightDecay: 0), settings.WeightDecayScope));

        AdamWStep Constants(double weightDecay) =>
            new(new AdamWOptions(settings.Beta1, settings.Beta2, settings.Epsilon, weightDecay), learningRate, _progress.NumUpdates + 1, scale);
    }

    private void Skip(StepGradients gradients, long step)
    {
        long skippedInARow = _progress.NumSkippedInARow + 1;
        string culprit = gradients.NonFiniteUnit is null ? "the loss" : $"the gradient of the {gradients.NonFiniteUnit}";
        logger.LogWarning("{Message}", $"step {step + 1} is skipped: {culprit} is not finite");
        if (skippedInARow >= options.MaxSkippedSteps)
        {
            throw new TrainingDivergedException(step + 1, skippedInARow, culprit);
        }
    }

    private double Evaluate(CancellationToken cancellation)
    {
        IEnumerable<MicroBatch> batches = data.EvalBatches(settings.Numerics.MicroBatchSequences).Select(batch =>
        {
            cancellation.ThrowIfCancellationRequested();
            return batch;
        });
        var report = new EvalReport(_progress.Step, model.Evaluate(batches));
        folder.Metrics.Append(report);
        observer.OnEvaluation(report);
        return report.EvalLoss;
    }
}
