using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Training;

/// <summary>What came of one process's work in a <see cref="FaultScenario"/>.</summary>
/// <param name="WeightsHash">Of the weights, if it came to its end.</param>
/// <param name="Error">What it ended with, if it did not.</param>
/// <param name="FirstStep">The first step told of; null: none.</param>
/// <param name="LastStep">The last one.</param>
/// <param name="Recorders">Over the store's files, in their order.</param>
internal sealed record FaultSitting(string? WeightsHash, Exception? Error, long? FirstStep, long? LastStep, IReadOnlyList<FaultRecorder> Recorders)
{
    /// <summary>The operation that the fault hit; null: none.</summary>
    public FaultHit? Hit => Recorders.Select(recorder => recorder.Hit).FirstOrDefault(hit => hit is not null);
}
