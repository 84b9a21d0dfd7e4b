using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using Offload.Swap.Planning;

namespace Offload.Engine.Swapping;

/// <summary>What the lanes of a swapped model share. Each part is used by one lane, or its schedule keeps the uses apart. Owns its compute and threads.</summary>
internal sealed class SwapEngine : IDisposable
{
    private readonly ParallelRanges _updateThreads;

    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="plan">Where everything lives.</param>
    /// <param name="store">The states' store; borrowed.</param>
    /// <param name="device">The GPU tier; borrowed.</param>
    /// <param name="gpuLimit">What compute's workspace is reserved from.</param>
    /// <param name="options">How it runs.</param>
    public SwapEngine(
        ModelLayout layout, RunNumerics numerics, SwapPlan plan, StateStore store, ISwapDevice device, MemoryLimit gpuLimit, SwapModelOptions options)
    {
        Layout = layout;
        Type = numerics.Type;
        Plan = plan;
        Store = store;
        Device = device;
        Throttle = new ProcessorThrottle(this, options);
        _updateThreads = new ParallelRanges(options.UpdateThreads ?? numerics.ComputeThreads);
        try
        {
            Compute = device.CreateCompute(layout, numerics, gpuLimit);
            HostTiles = new CpuTiles(layout, numerics.Type, _updateThreads);
            Updates = new UnitUpdates(this, _updateThreads);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The model.</summary>
    public ModelLayout Layout { get; }

    /// <summary>Element type of compute.</summary>
    public ComputeType Type { get; }

    /// <summary>Where everything lives.</summary>
    public SwapPlan Plan { get; }

    /// <summary>The states' store: with all of them, or for their checkpoints.</summary>
    public StateStore Store { get; }

    /// <summary>Room on drives for activations and gradients; null: the plan needs none.</summary>
    public IBlockDevice? Scratch { get; set; }

    /// <summary>The GPU tier.</summary>
    public ISwapDevice Device { get; }

    /// <summary>Of the lanes Compute and CpuUpdate.</summary>
    public ProcessorThrottle Throttle { get; }

    /// <summary>Of the Compute lane.</summary>
    public IUnitCompute Compute { get; } = null!;

    /// <summary>Of the CpuUpdate lane, and of whoever fills slots in CPU memory while no lane is at work.</summary>
    public ITileCompute HostTiles { get; } = null!;

    /// <summary>The optimizer.</summary>
    public UnitUpdates Updates { get; } = null!;

    public void Dispose()
    {
        Compute?.Dispose();
        Scratch?.Dispose();
        _updateThreads.Dispose();
    }
}
