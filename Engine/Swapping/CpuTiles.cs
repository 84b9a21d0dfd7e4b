using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Storage.Numerics;
using Offload.Storage.States;

namespace Offload.Engine.Swapping;

/// <summary>The optimizer over tiles in CPU memory.</summary>
/// <param name="layout">The model.</param>
/// <param name="type">Element type of compute.</param>
/// <param name="threads">Who does the work; borrowed.</param>
internal sealed unsafe class CpuTiles(ModelLayout layout, ComputeType type, ParallelRanges threads) : ITileCompute
{
    private readonly UnitUpdate _update = new(layout, threads);

    /// <inheritdoc/>
    public void Update(int unit, TileShape shape, AdamWStates source, AdamWStates destination, byte* gradient, byte* weights, in UpdateStep step)
    {
        GradientPointer gradients = GradientAt(type, gradient).From(shape.FirstParameter);
        byte* tileWeights = weights is null ? null : weights + (shape.FirstParameter * gradients.ElementBytes);
        _update.Run(unit, shape.FirstParameter, shape.NumParameters, source, destination, gradients, step, tileWeights);
    }

    /// <inheritdoc/>
    public void CopyTile(byte* source, byte* destination, long sizeBytes) => Buffer.MemoryCopy(source, destination, sizeBytes, sizeBytes);

    /// <inheritdoc/>
    public void SetWeights(byte* weights, TileShape shape, AdamWStates states)
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

    /// <summary>Rounded gradients in a slot.</summary>
    public static GradientPointer GradientAt(ComputeType type, byte* address) =>
        type == ComputeType.Float32 ? GradientPointer.Float32((float*)address) : GradientPointer.BFloat16((ushort*)address);
}
