using Offload.Engine.Optimizers;
using Offload.Engine.Training;
using Offload.Storage.States;

namespace Offload.Acceptance.Swap;

/// <summary>Clips nothing, skips nothing, commits every step.</summary>
/// <param name="store">Where.</param>
internal sealed class SteadySteps(StateStore store) : IStepDecider
{
    public UpdateStep Unclipped(long step)
    {
        var update = new AdamWStep(new AdamWOptions(0.9, 0.95, 1e-8, 0), 1e-4, step + 1, 1);
        return new UpdateStep(update, update, WeightDecayScope.Matrices);
    }

    public UpdateStep? Decide(long step, StepGradients gradients) => Unclipped(step);

    public bool CommitIsDue(long step) => true;

    public void Commit(long step) => store.Commit(step + 1, []);
}
