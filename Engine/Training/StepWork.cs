using Offload.Engine.Compute;

namespace Offload.Engine.Training;

/// <summary>A step that is to be made.</summary>
/// <param name="Step">From 0.</param>
/// <param name="Batches">Its micro-batches, in order.</param>
/// <param name="Decider">Asked what follows from its gradients.</param>
internal sealed record StepWork(long Step, IReadOnlyList<MicroBatch> Batches, IStepDecider Decider);
