using Microsoft.Extensions.Logging;
using Offload.Engine.Hub;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>
/// A run's steps, evaluations and commits, from where it stands to its result. A model that can is given the next step before the one in progress
/// ends; what needs the model complete waits for a boundary, at which no step is begun. One thread; owns nothing that it is given.
/// </summary>
internal sealed class TrainingLoop
{
    private readonly TrainingOptions _options;
    private readonly RunSettings _settings;
    private readonly RunFolder _folder;
    private readonly ITrainingModel _model;
    private readonly bool _areStatesOnDrives;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly StepRecords _records;
    private readonly RunCommitter _committer;
    private readonly StepDecider _decider;
    private readonly StepPipeline _steps;
    private readonly RunEvaluation _evaluation;
    private long _lastCommit;
    private bool _isEvaluationLeft;

    /// <param name="options">What is asked.</param>
    /// <param name="settings">What decides the numbers.</param>
    /// <param name="folder">The run.</param>
    /// <param name="model">What is trained.</param>
    /// <param name="areStatesOnDrives">Whether states live in the store alone; if not, a commit is a checkpoint, which takes time of its own.</param>
    /// <param name="store">The store.</param>
    /// <param name="data">The tokens.</param>
    /// <param name="observer">Told of progress.</param>
    /// <param name="logger">Told what was resumed, skipped, committed.</param>
    /// <param name="time">The clock of rates and checkpoint intervals.</param>
    public TrainingLoop(
        TrainingOptions options,
        RunSettings settings,
        RunFolder folder,
        RunModel model,
        bool areStatesOnDrives,
        StateStore store,
        TrainingData data,
        ITrainingObserver observer,
        ILogger logger,
        TimeProvider time)
    {
        _options = options;
        _settings = settings;
        _folder = folder;
        _model = model.Training;
        _areStatesOnDrives = areStatesOnDrives;
        _logger = logger;
        _time = time;
        _lastCommit = time.GetTimestamp();
        double flopsPerToken = ResidentPlanner.Profile(_model.Layout).FlopsPerToken(settings.Numerics.SequenceTokens);
        _records = new StepRecords(settings, folder.Metrics, store.Device, flopsPerToken, time);
        _committer = new RunCommitter(model.States, store, _records);
        _decider = new StepDecider(options, settings, _records, _committer);
        _steps = new StepPipeline(settings, _model, data, _decider, _records, observer, logger);
        _evaluation = new RunEvaluation(options, settings, _model, data, _records, observer);
    }

    private bool IsDone => _steps.NumEnded >= _settings.Steps;

    /// <summary>Goes on from a commit; the states are loaded.</summary>
    /// <param name="committed">Of the commit.</param>
    public void Resume(RunProgress committed)
    {
        _decider.Reset(committed);
        _committer.Resume(committed);
        _steps.Resume(committed.Step);
        // The evaluation at the end is always made again, the one at the beginning if it is not in the commit.
        bool isEvaluated = _folder.Metrics.Keep(committed.Step, keepsEvaluation: !IsDone && (committed.Step > 0 || committed.EvalLossBefore is not null));
        _isEvaluationLeft = !isEvaluated && _evaluation.IsDue(committed.Step);
        _logger.LogInformation("{Message}", $"resumed after step {committed.Step} of {_settings.Steps}");
    }

    /// <summary>Commits the beginning of a run: a long import is not made twice.</summary>
    public void CommitBeginning() => _committer.SaveAndCommit(_decider.Progress);

    /// <summary>Makes the steps that are left.</summary>
    /// <param name="cancellation">Ends the run after the steps in progress, with a commit.</param>
    /// <exception cref="OperationCanceledException">Cancelled; what steps were done is committed.</exception>
    public void Train(CancellationToken cancellation)
    {
        if (_steps.NumEnded == 0)
        {
            // What was written so far is the store itself and its first weights.
            _decider.Reset(_decider.Progress with { SsdBytesWrittenBeforeSteps = _committer.BytesWritten });
        }

        if (_steps.NumEnded == 0 && _evaluation.HasData && _decider.Progress.EvalLossBefore is null)
        {
            double loss = _evaluation.Run(numDone: 0, cancellation);
            _decider.Reset(_decider.Progress with { EvalLossBefore = loss });
        }
        else if (_isEvaluationLeft)
        {
            _evaluation.Run(_steps.NumEnded, cancellation);
        }

        _lastCommit = _time.GetTimestamp();
        _records.Start();
        try
        {
            while (!IsDone)
            {
                while (MayBegin(cancellation))
                {
                    _steps.Begin();
                }

                _steps.End();
                if (_steps.IsAtBoundary)
                {
                    PassBoundary(cancellation);
                }
            }
        }
        catch
        {
            CommitAfterError();
            throw;
        }
    }

    /// <summary>Evaluates, exports, and writes the result.</summary>
    /// <param name="companions">What goes beside the exported weights.</param>
    /// <param name="cancellation">Stops it; a resume does it again.</param>
    public TrainingResult Finish(HubCompanions companions, CancellationToken cancellation)
    {
        double? evalLoss = !_evaluation.HasData ? null : _evaluation.Run(_steps.NumEnded, cancellation);
        return RunResult.Write(_options, _settings, _folder, _model, _committer, evalLoss, companions, cancellation);
    }

    /// <summary>Whether the next step may be begun now; at a boundary always: what there was to do there is done.</summary>
    private bool MayBegin(CancellationToken cancellation) =>
        _steps.HasRoom
        && (_steps.IsAtBoundary
            || (!_evaluation.IsDue(_steps.NumBegun)
                && !(!_model.IsDurable && IsCommitDue(_steps.NumBegun))
                && _decider.Diverged is null
                && !cancellation.IsCancellationRequested));

    /// <summary>Does what needs the model complete.</summary>
    private void PassBoundary(CancellationToken cancellation)
    {
        if (IsDone || cancellation.IsCancellationRequested || (!_model.IsDurable && IsCommitDue(_steps.NumEnded)))
        {
            Commit();
        }

        // After the commit: an evaluation may take long.
        EvaluateIfDue(cancellation);
        if (!IsDone && cancellation.IsCancellationRequested)
        {
            // The signal may have come after the commit was decided on above.
            if (_committer.Committed.Step != _steps.NumEnded)
            {
                Commit();
            }

            _logger.LogInformation("{Message}", $"committed after step {_steps.NumEnded} of {_settings.Steps}");
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Whether the loop is to commit after so many steps, of a model that does not.</summary>
    private bool IsCommitDue(long numDone) => _areStatesOnDrives
        ? numDone % (_options.CommitEverySteps ?? 1) == 0
        : _time.GetElapsedTime(_lastCommit) >= _options.CheckpointEvery || (_options.CheckpointEverySteps is long steps && numDone % steps == 0);

    /// <summary>Commits where the run stands. No step is begun.</summary>
    private void Commit()
    {
        Complete();
        long start = _time.GetTimestamp();
        // First: the lines of a committed step are not written again.
        _records.Flush();
        if (!_model.IsDurable)
        {
            _committer.SaveAndCommit(_decider.Progress);
        }

        _lastCommit = _time.GetTimestamp();
        if (!_areStatesOnDrives)
        {
            // A checkpoint is no part of a step; the commit of states on drives is.
            _records.Exclude(_time.GetElapsedTime(start));
        }
    }

    private void Complete()
    {
        _model.Complete();
        _records.ThrowIfFailed();
    }

    private void EvaluateIfDue(CancellationToken cancellation)
    {
        if (!_evaluation.IsDue(_steps.NumEnded) || cancellation.IsCancellationRequested)
        {
            return;
        }

        Complete();
        long start = _time.GetTimestamp();
        try
        {
            _evaluation.Run(_steps.NumEnded, cancellation);
        }
        catch (OperationCanceledException)
        {
            // The run ends with a commit; a resume makes the evaluation.
        }

        _records.Exclude(_time.GetElapsedTime(start));
    }

    /// <summary>
    /// Steps that are done, and those that were begun behind them, are not lost to an error beside the states: a full disk below --output, a closed
    /// pipe, a loss that is no number.
    /// </summary>
    private void CommitAfterError()
    {
        if (!_model.IsWhole || _committer.HasFailed || (_steps.IsAtBoundary && _committer.Committed.Step == _decider.Progress.Step))
        {
            return;
        }

        try
        {
            _steps.EndAll();
            _model.Complete();
            if (!_model.IsDurable)
            {
                _committer.SaveAndCommit(_decider.Progress);
            }

            _logger.LogInformation("{Message}", $"committed after step {_committer.Committed.Step} of {_settings.Steps}");
        }
        catch (Exception error)
        {
            // The first error is on its way up.
            _logger.LogWarning("{Message}", $"the steps since step {_committer.Committed.Step} are lost: {error.Message}");
        }
    }
}
