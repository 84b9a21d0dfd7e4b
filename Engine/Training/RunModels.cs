using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.States;
using Offload.Engine.Swapping;
using Offload.Engine.Swapping.Cuda;
using Offload.Storage.States;
using Offload.Swap.Execution;

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
        SwapModel model = CreateSwapped(run.Base.Layout, swapped, options, store, run.Store.IsOnDrives ? run.Store.Folders : [options.OutputFolder]);
        return new RunModel(model, model.States, model.States);
    }

    /// <summary>A swapped model, by its plan.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="swapped">Plan and budgets.</param>
    /// <param name="options">What is asked.</param>
    /// <param name="store">Of the states; borrowed, and disposed after the model.</param>
    /// <param name="scratchFolders">For what waits on drives in between.</param>
    /// <param name="maxTracePeriods">Steps of which a trace is kept; 0: none.</param>
    public static SwapModel CreateSwapped(
        ModelLayout layout, SwappedRun swapped, TrainingOptions options, StateStore store, IReadOnlyList<string> scratchFolders, int maxTracePeriods = 0) =>
        new(layout, swapped.Numerics, swapped.Work, swapped.Plan, store, new SwapModelOptions
        {
            CreateDevice = swapped.Numerics.Device == ComputeDevice.Cuda ? () => new CudaSwapDevice(CudaHost.Get(options.GpuOrdinal), ExecutorOptions.DefaultMaxAhead) : null,
            CpuBytes = swapped.CpuBytes,
            GpuBytes = swapped.GpuBytes,
            UpdateThreads = options.UpdateThreads,
            IsSequential = options.IsSequential,
            MaxTracePeriods = maxTracePeriods,
            ScratchFolders = scratchFolders,
            WrapScratch = options.StoreFiles?.Wrap,
        });

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
