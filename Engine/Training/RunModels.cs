using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>Chooses the model of a run.</summary>
internal static class RunModels
{
    /// <inheritdoc cref="RunModelFactory"/>
    public static RunModel Create(RunPreflight run, TrainingOptions options, StateStore store, ParallelRanges threads) =>
        options.CreateModel is { } create ? create(run, options, store, threads) : CreateResident(run, store, threads);

    /// <summary>Weights and gradients in memory, and the states there too or in the store alone.</summary>
    public static RunModel CreateResident(RunPreflight run, StateStore store, ParallelRanges threads)
    {
        var model = new ResidentModel(
            run.Base.Layout,
            run.Numerics,
            threads,
            createStates: run.Store.IsOnDrives ? units => new StoreStates(run.Base.Layout, units, threads, store) : null);
        try
        {
            StoreCheckpoint? checkpoint = model.States is ResidentStates resident ? new StoreCheckpoint(resident, store) : null;
            return new RunModel(new ResidentTraining(model, checkpoint), model, checkpoint ?? (IStoredStates)model.States);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
