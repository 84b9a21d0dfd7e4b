using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.States;

namespace Offload.Engine.Training;

/// <summary>A resident model's steps, one after the other on the calling thread.</summary>
/// <param name="model">The model; owned.</param>
/// <param name="checkpoint">Of its states, if they are in memory; owned.</param>
internal sealed class ResidentTraining(ResidentModel model, StoreCheckpoint? checkpoint) : ITrainingModel
{
    private StepWork? _begun;

    /// <inheritdoc/>
    public ModelLayout Layout => model.Layout;

    /// <inheritdoc/>
    public bool IsDurable => false;

    /// <inheritdoc/>
    public int MaxBegun => 1;

    /// <inheritdoc/>
    public bool IsWhole { get; private set; } = true;

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default) => model.ReadMasters(ranges, chunk, cancellation);

    /// <inheritdoc/>
    public double Evaluate(IEnumerable<MicroBatch> batches) => model.Evaluate(batches);

    /// <inheritdoc/>
    public void Begin(StepWork work) => _begun = _begun is null ? work : throw new InvalidOperationException("a step is begun already");

    /// <inheritdoc/>
    public void End()
    {
        StepWork work = _begun ?? throw new InvalidOperationException("no step is begun");
        _begun = null;
        StepGradients gradients = model.ComputeGradients(work.Batches);
        if (work.Decider.Decide(work.Step, gradients) is { } update)
        {
            Update(update);
        }
    }

    /// <inheritdoc/>
    public void Complete()
    {
    }

    public void Dispose()
    {
        checkpoint?.Dispose();
        model.Dispose();
    }

    private void Update(in UpdateStep update)
    {
        IsWhole = false;
        model.Update(update);
        IsWhole = true;
    }
}
