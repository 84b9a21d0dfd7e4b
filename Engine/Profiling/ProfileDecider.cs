using Offload.Engine.Optimizers;
using Offload.Engine.Training;
using Offload.Storage.States;

namespace Offload.Engine.Profiling;

/// <summary>Decides on the steps of a measured training as a run does: clips, skips what is not finite, commits each. Keeps nothing. Any thread.</summary>
/// <param name="maxGradNorm">Gradients are clipped to it; 0: they are not.</param>
/// <param name="store">Gets the commits; borrowed.</param>
internal sealed class ProfileDecider(double maxGradNorm, StateStore store) : IStepDecider
{
    // As usual in fine-tuning; without effect on time.
    private const double LearningRate = 2e-5;

    private readonly Lock _lock = new();
    private long _numUpdates;

    /// <summary>Steps that were not finite: they were not updated, and took less time.</summary>
    public int NumSkipped { get; private set; }

    /// <inheritdoc/>
    public UpdateStep Unclipped(long step)
    {
        lock (_lock)
        {
            return Update(scale: 1);
        }
    }

    /// <inheritdoc/>
    public UpdateStep? Decide(long step, StepGradients gradients)
    {
        lock (_lock)
        {
            if (!gradients.IsFinite)
            {
                NumSkipped++;
                return null;
            }

            UpdateStep update = Update(GradientNorm.ClipScale(gradients.Norm, maxGradNorm));
            _numUpdates++;
            return update;
        }
    }

    /// <inheritdoc/>
    public bool CommitIsDue(long step) => true;

    /// <inheritdoc/>
    public void Commit(long step)
    {
        if (store.LastCommit?.Step != step + 1)
        {
            store.Commit(step + 1, []);
        }
    }

    private UpdateStep Update(float scale)
    {
        var constants = new AdamWStep(new AdamWOptions(), LearningRate, _numUpdates + 1, scale);
        return new UpdateStep(constants, constants, WeightDecayScope.All);
    }
}
