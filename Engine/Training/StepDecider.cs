using Offload.Engine.Optimizers;

namespace Offload.Engine.Training;

/// <summary>
/// Decides on a run's steps and keeps its progress after each, so that a step can be committed while a later one computes. Any thread; owns nothing.
/// </summary>
/// <param name="options">What is asked.</param>
/// <param name="settings">What decides the numbers.</param>
/// <param name="records">Get each step that counts.</param>
/// <param name="committer">Makes the commits of a durable model.</param>
internal sealed class StepDecider(TrainingOptions options, RunSettings settings, StepRecords records, RunCommitter committer) : IStepDecider
{
    private readonly Lock _lock = new();

    /// <summary>Progress after the steps from the one last asked about on.</summary>
    private readonly Queue<(long Step, RunProgress Progress)> _decided = new();

    private readonly long _limit = options.OnNonFinite == NonFiniteAction.Stop ? 1 : options.MaxSkippedSteps;
    private RunProgress _progress = new();
    private long _next;
    private StepOutcome? _diverged;

    /// <summary>Where the run stands after the last step that was decided and counts: one at which it diverges does not.</summary>
    public RunProgress Progress
    {
        get
        {
            lock (_lock)
            {
                return _progress;
            }
        }
    }

    /// <summary>The step at which the run ends because too many in a row were not finite; null: none so far.</summary>
    public StepOutcome? Diverged
    {
        get
        {
            lock (_lock)
            {
                return _diverged;
            }
        }
    }

    /// <summary>Goes on from a progress. No step is begun.</summary>
    public void Reset(RunProgress progress)
    {
        lock (_lock)
        {
            _progress = progress;
            _next = progress.Step;
            _decided.Clear();
        }
    }

    /// <summary>The error for <see cref="Diverged"/>.</summary>
    public TrainingDivergedException DivergedError(StepOutcome diverged) => new(diverged.Step + 1, Progress.NumSkippedInARow + 1, diverged.Culprit);

    /// <inheritdoc/>
    public UpdateStep Unclipped(long step)
    {
        lock (_lock)
        {
            RequireNext(step);
            return Update(step, scale: 1);
        }
    }

    /// <inheritdoc/>
    public UpdateStep? Decide(long step, StepGradients gradients)
    {
        lock (_lock)
        {
            RequireNext(step);
            _next++;
            UpdateStep? update = _diverged is null ? DecideNext(new StepOutcome(step, gradients, settings.LearningRate.At(step))) : null;
            _decided.Enqueue((step, _progress));
            return update;
        }
    }

    /// <inheritdoc/>
    public bool CommitIsDue(long step)
    {
        lock (_lock)
        {
            // A step at which the run diverged has no progress of its own.
            return ProgressAfter(step).Step == step + 1 && ((step + 1) % (options.CommitEverySteps ?? 1) == 0 || step + 1 == settings.Steps);
        }
    }

    /// <inheritdoc/>
    public void Commit(long step)
    {
        RunProgress progress;
        lock (_lock)
        {
            progress = ProgressAfter(step);
        }

        if (progress.Step != committer.Committed.Step)
        {
            // First: the lines of a committed step are not written again.
            records.WriteThrough(progress.Step - 1);
            committer.Commit(progress);
        }
    }

    private UpdateStep? DecideNext(StepOutcome outcome)
    {
        if (outcome.IsSkipped && _progress.NumSkippedInARow + 1 >= _limit)
        {
            // The run ends before this step: neither it nor what was begun behind it changes anything.
            _diverged = outcome;
            return null;
        }

        UpdateStep? update = outcome.IsSkipped ? null : Update(outcome.Step, GradientNorm.ClipScale(outcome.Gradients.Norm, settings.MaxGradNorm));
        _progress = _progress with
        {
            Step = outcome.Step + 1,
            NumUpdates = _progress.NumUpdates + (outcome.IsSkipped ? 0 : 1),
            NumSkipped = _progress.NumSkipped + (outcome.IsSkipped ? 1 : 0),
            NumSkippedInARow = outcome.IsSkipped ? _progress.NumSkippedInARow + 1 : 0,
            LastLoss = outcome.Gradients.Loss,
        };
        records.Add(outcome);
        return update;
    }

    private UpdateStep Update(long step, float scale)
    {
        return new UpdateStep(Constants(settings.WeightDecay), Constants(weightDecay: 0), settings.WeightDecayScope);

        AdamWStep Constants(double weightDecay) => new(
            new AdamWOptions(settings.Beta1, settings.Beta2, settings.Epsilon, weightDecay), settings.LearningRate.At(step), _progress.NumUpdates + 1, scale);
    }

    /// <summary>The progress after a step; that of steps before it is asked for no more.</summary>
    private RunProgress ProgressAfter(long step)
    {
        while (_decided.TryPeek(out (long Step, RunProgress Progress) oldest) && oldest.Step < step)
        {
            _decided.Dequeue();
        }

        return _decided.TryPeek(out (long Step, RunProgress Progress) found) && found.Step == step
            ? found.Progress
            : throw new InvalidOperationException($"step {step} is not decided, or a later one was asked for before");
    }

    private void RequireNext(long step)
    {
        if (step != _next)
        {
            throw new InvalidOperationException($"steps are decided in order: expected {_next}, found {step}");
        }
    }
}
