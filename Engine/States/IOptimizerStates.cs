using Offload.Engine.Models;
using Offload.Engine.Optimizers;

namespace Offload.Engine.States;

/// <summary>
/// A model's master weights and moments, wherever they live, and their update. One thread at a time. The units whose weights they
/// refresh are borrowed.
/// </summary>
internal interface IOptimizerStates : IMasterWeights, IMasterWeightsTarget, IDisposable
{
    /// <inheritdoc cref="IMasterWeights.Layout"/>
    new ModelLayout Layout { get; }

    /// <summary>One AdamW update of a unit from the gradients that it holds; its compute weights are refreshed.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="step">The step's constants.</param>
    /// <exception cref="Offload.Profiles.OffloadException">The states are on a device that failed, or are damaged.</exception>
    void Update(UnitTensors unit, in UpdateStep step);

    /// <summary>Ends an update of all units: nothing of it is in flight any more.</summary>
    /// <exception cref="Offload.Storage.StorageException">The device failed.</exception>
    void CompleteUpdate();
}
