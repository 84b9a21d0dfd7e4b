using Microsoft.Extensions.Logging;
using Offload.Engine.Compute;
using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>A run's steps as they are begun, ended and reported. One thread; owns nothing that it is given.</summary>
/// <param name="settings">What decides the numbers.</param>
/// <param name="model">What is trained.</param>
/// <param name="data">The tokens.</param>
/// <param name="decider">Decides on the steps.</param>
/// <param name="records">Write their lines.</param>
/// <param name="observer">Told of each.</param>
/// <param name="logger">Told of those that are skipped.</param>
internal sealed class StepPipeline(
    RunSettings settings, ITrainingModel model, TrainingData data, StepDecider decider, StepRecords records, ITrainingObserver observer, ILogger logger)
{
    /// <summary>Steps that were begun, those of earlier sittings included.</summary>
    public long NumBegun { get; private set; }

    /// <summary>Steps that were ended.</summary>
    public long NumEnded { get; private set; }

    /// <summary>Whether no step is begun: the model can be completed.</summary>
    public bool IsAtBoundary => NumBegun == NumEnded;

    /// <summary>Whether the model takes one more step, and the run has one.</summary>
    public bool HasRoom => NumBegun < settings.Steps && NumBegun - NumEnded < model.MaxBegun;

    /// <summary>Goes on after steps that are done.</summary>
    public void Resume(long numDone)
    {
        NumBegun = numDone;
        NumEnded = numDone;
    }

    /// <summary>Reads the next step's data and begins it.</summary>
    /// <exception cref="OffloadException">The data or the model failed.</exception>
    public void Begin()
    {
        MicroBatch[] batches = [.. data.Train.ReadRange(NumBegun * settings.SequencesPerStep, settings.SequencesPerStep, settings.Numerics.MicroBatchSequences)];
        model.Begin(new StepWork(NumBegun, batches, decider));
        NumBegun++;
    }

    /// <summary>Ends the oldest step and reports it.</summary>
    /// <exception cref="TrainingDivergedException">The run ends before this step.</exception>
    /// <exception cref="OffloadException">The model failed, or its line cannot be written.</exception>
    public void End()
    {
        EndOldest();
        long step = NumEnded - 1;
        if (decider.Diverged is { } diverged && diverged.Step <= step)
        {
            LogSkipped(diverged);
            throw decider.DivergedError(diverged);
        }

        RecordedStep recorded = records.Take(step);
        if (recorded.Outcome.IsSkipped)
        {
            LogSkipped(recorded.Outcome);
        }

        observer.OnStep(recorded.Report);
    }

    /// <summary>After an error beside the model: ends all that is begun. Lines are written as far as that goes; nobody is told.</summary>
    /// <exception cref="OffloadException">The model failed.</exception>
    public void EndAll()
    {
        while (!IsAtBoundary)
        {
            EndOldest();
            try
            {
                if (decider.Diverged is null)
                {
                    records.Take(NumEnded - 1);
                }
            }
            catch (OffloadException)
            {
                // The line of this step is lost, its states are not. The error that led here says more.
            }
        }
    }

    private void EndOldest()
    {
        try
        {
            model.End();
        }
        catch
        {
            // With it goes what was begun behind it.
            NumBegun = NumEnded;
            throw;
        }

        NumEnded++;
    }

    private void LogSkipped(StepOutcome outcome) =>
        logger.LogWarning("{Message}", $"step {outcome.Step + 1} is skipped: {outcome.Culprit} is not finite");
}
