using Offload.Engine.Parallelism;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>Makes a run's model.</summary>
/// <param name="run">What the run begins with, checked.</param>
/// <param name="options">What is asked.</param>
/// <param name="store">Of the states: new, or at its last commit; borrowed, and disposed after the model.</param>
/// <param name="threads">Threads of the optimizer; borrowed, and disposed after the model.</param>
internal delegate RunModel RunModelFactory(RunPreflight run, TrainingOptions options, StateStore store, ParallelRanges threads);
