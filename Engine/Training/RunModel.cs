using Offload.Engine.Models;
using Offload.Engine.States;

namespace Offload.Engine.Training;

/// <summary>A run's model and the ways to its first weights: written anew, or loaded from the store. One thread.</summary>
/// <param name="Training">What is trained; owned.</param>
/// <param name="Target">Its masters, to be written before the first step; the moments are zero then.</param>
/// <param name="States">Its states, to be loaded from the store or saved to it.</param>
internal sealed record RunModel(ITrainingModel Training, IMasterWeightsTarget Target, IStoredStates States) : IDisposable
{
    public void Dispose() => Training.Dispose();
}
