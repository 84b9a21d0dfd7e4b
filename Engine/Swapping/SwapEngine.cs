using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Storage.Devices;
using Offload.Storage.Numerics;
using Offload.Storage.States;
using Offload.Swap.Planning;

namespace Offload.Engine.Swapping;

/// <summary>What the lanes of a swapped model share. Each part is used by one lane, or its schedule keeps the uses apart. Owns its compute and threads.</summary>
internal sealed unsafe class SwapEngine : IDisposable
{
    private readonly ParallelRanges _computeThreads;
    private readonly ParallelRanges? _updateThreads;

    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="plan">Where everything lives.</param>
    /// <param name="store">The states' store; borrowed.</param>
    /// <param name="options">How it runs.</param>
    public SwapEngine(ModelLayout layout, RunNumerics numerics, SwapPlan plan, StateStore store, SwapModelOptions options)
    {
        Layout = layout;
        Type = numerics.Type;
        Plan = plan;
        Store = store;
        ToGpu = new Link(options.H2dBytesPerSecond);
        FromGpu = new Link(options.D2hBytesPerSecond);
        Throttle = new ProcessorThrottle(this, options);
        _computeThreads = new ParallelRanges(numerics.ComputeThreads);
        try
        {
            _updateThreads = new ParallelRanges(options.UpdateThreads ?? numerics.ComputeThreads);
            Compute = new UnitCompute(layout, numerics, _computeThreads);
            ComputeNorm = new GradientNorm(_computeThreads);
            Updates = new UnitUpdates(this, _updateThreads, _computeThreads);
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

    /// <summary>Of the H2D lane.</summary>
    public Link ToGpu { get; }

    /// <summary>Of the D2H lane.</summary>
    public Link FromGpu { get; }

    /// <summary>Of the lanes Compute and CpuUpdate.</summary>
    public ProcessorThrottle Throttle { get; }

    /// <summary>Of the Compute lane.</summary>
    public UnitCompute Compute { get; }

    /// <summary>Of the Compute lane: norms of gradients that stay on the GPU.</summary>
    public GradientNorm ComputeNorm { get; }

    /// <summary>The optimizer.</summary>
    public UnitUpdates Updates { get; }

    /// <summary>Rounded gradients in a slot.</summary>
    public GradientPointer GradientAt(byte* address) =>
        Type == ComputeType.Float32 ? GradientPointer.Float32((float*)address) : GradientPointer.BFloat16((ushort*)address);

    /// <summary>Makes a tile's compute weights agree with its masters.</summary>
    /// <param name="type">Element type of compute.</param>
    /// <param name="weights">First byte of the unit's weights.</param>
    /// <param name="shape">The tile.</param>
    /// <param name="states">Its states.</param>
    public static void SetWeights(ComputeType type, byte* weights, TileShape shape, AdamWStates states)
    {
        var highs = new ReadOnlySpan<ushort>(states.WeightHigh, shape.NumParameters);
        if (type == ComputeType.BFloat16)
        {
            highs.CopyTo(new Span<ushort>((ushort*)weights + shape.FirstParameter, shape.NumParameters));
        }
        else
        {
            SplitMaster.Join(highs, new ReadOnlySpan<short>(states.WeightLow, shape.NumParameters), new Span<float>((float*)weights + shape.FirstParameter, shape.NumParameters));
        }
    }

    public void Dispose()
    {
        Compute?.Dispose();
        Scratch?.Dispose();
        _computeThreads.Dispose();
        _updateThreads?.Dispose();
    }
}
