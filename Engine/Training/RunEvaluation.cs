using Offload.Engine.Compute;
using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>A run's evaluations. One thread; owns nothing that it is given.</summary>
/// <param name="options">What is asked.</param>
/// <param name="settings">What decides the numbers.</param>
/// <param name="model">What is evaluated.</param>
/// <param name="data">The tokens.</param>
/// <param name="records">Write the lines.</param>
/// <param name="observer">Told of each.</param>
internal sealed class RunEvaluation(
    TrainingOptions options, RunSettings settings, ITrainingModel model, TrainingData data, StepRecords records, ITrainingObserver observer)
{
    /// <summary>Whether the run has data for evaluation: then it evaluates at its beginning and end.</summary>
    public bool HasData => data.Eval is not null;

    /// <summary>Whether one is due inside the run.</summary>
    /// <param name="numDone">Steps done.</param>
    public bool IsDue(long numDone) => numDone > 0 && numDone < settings.Steps && HasData && options.EvalEverySteps is long every && numDone % every == 0;

    /// <summary>Evaluates the model, which is complete, and reports that.</summary>
    /// <param name="numDone">Steps done.</param>
    /// <param name="cancellation">Stops between micro-batches.</param>
    /// <returns>The loss.</returns>
    /// <exception cref="OffloadException">The data or the model failed, or the line cannot be written.</exception>
    public double Run(long numDone, CancellationToken cancellation)
    {
        IEnumerable<MicroBatch> batches = data.EvalBatches(settings.Numerics.MicroBatchSequences).Select(batch =>
        {
            cancellation.ThrowIfCancellationRequested();
            return batch;
        });
        var report = new EvalReport(numDone, model.Evaluate(batches));
        records.Append(report);
        observer.OnEvaluation(report);
        return report.EvalLoss;
    }
}
