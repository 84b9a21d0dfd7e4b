using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>Chooses the model of a run.</summary>
internal static class RunModels
{
    /// <inheritdoc cref="RunModelFactory"/>
    public static RunModel Create(RunPreflight run, TrainingOptions options, StateStore store, ParallelRanges threads) =>
        options.CreateModel is { } create ? create(run, options, store, threads)
        : run.Swapped is { } swapped ? CreateSwapped(run, swapped, options, store)
        : CreateResident(run, store, threads);

    private static RunModel CreateSwapped(RunPreflight run, SwappedRun swapped, TrainingOptions options, StateStore store)
    {
        var model = new SwapModel(run.Base.Layout, run.Numerics, swapped.Work, swapped.Plan, store, new SwapModelOptions
        {
            CpuBytes = swapped.CpuBytes,
            GpuBytes = swapped.GpuBytes,
            UpdateThreads = options.UpdateThreads,
            IsSequential = options.IsSequential,
            ScratchFolders = run.Store.IsOnDrives ? run.Store.Folders : [options.OutputFolder],
            WrapScratch = options.StoreFiles?.Wrap,
        });
        return new RunModel(model, model.States, model.States);
    }

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
