using Offload.Engine.Optimizers;

namespace Offload.Engine.Training;

/// <summary>
/// Tells a model what follows from each step. From any thread: decisions one at a time and in the order of the steps; commits likewise, also while a
/// later step is decided.
/// </summary>
internal interface IStepDecider
{
    /// <summary>
    /// The update of a step that needs neither be clipped nor skipped, for models that update before they know. The steps before it must be decided.
    /// </summary>
    /// <param name="step">From 0.</param>
    UpdateStep Unclipped(long step);

    /// <summary>Decides on a step, once, when its gradients are known.</summary>
    /// <param name="step">From 0; the step after the one decided last.</param>
    /// <param name="gradients">What it found.</param>
    /// <returns>
    /// The update to make; null: none, the step is skipped. A model that has updated already and cannot take it back then has to fail, with a
    /// <see cref="TrainingDivergedException"/>.
    /// </returns>
    UpdateStep? Decide(long step, StepGradients gradients);

    /// <summary>Whether a durable model is to commit a step. Asked for each, in order, when the step is decided.</summary>
    /// <param name="step">From 0.</param>
    bool CommitIsDue(long step);

    /// <summary>
    /// Makes the states after a step the store's commit. For durable models: where <see cref="CommitIsDue"/>, and for the last step that was begun when
    /// they complete; a commit that is there already is not made again. All writes of the step are done, none of a later step is begun.
    /// </summary>
    /// <param name="step">From 0.</param>
    /// <exception cref="Storage.StorageException">The device failed.</exception>
    void Commit(long step);
}
