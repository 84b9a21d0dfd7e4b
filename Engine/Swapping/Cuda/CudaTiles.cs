using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.States;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>The optimizer over tiles in device memory, issued to a stream; to the bits of <see cref="AdamWReference"/>.</summary>
/// <param name="layout">The model.</param>
/// <param name="type">Element type of compute.</param>
/// <param name="kernels">Borrowed.</param>
/// <param name="stream">Borrowed.</param>
internal sealed unsafe class CudaTiles(ModelLayout layout, ComputeType type, CudaKernels kernels, CudaStream stream) : ITileCompute
{
    private readonly bool _isFloat32 = type == ComputeType.Float32;
    private readonly int _elementBytes = type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort);
    private readonly IReadOnlyList<DecayRange>?[] _ranges = new IReadOnlyList<DecayRange>?[layout.Units.Count];
    private WeightDecayScope _scope;

    /// <inheritdoc/>
    public void Update(int unit, TileShape shape, AdamWStates source, AdamWStates destination, byte* gradient, byte* weights, in UpdateStep step)
    {
        if (_scope != step.Scope)
        {
            Array.Clear(_ranges);
            _scope = step.Scope;
        }

        IReadOnlyList<DecayRange> ranges = _ranges[unit] ??= DecayRange.Of(layout.Units[unit], step.Scope);
        long first = shape.FirstParameter;
        for (int i = 0; i < ranges.Count; i++)
        {
            long start = Math.Max(first, ranges[i].Offset);
            long end = Math.Min(first + shape.NumParameters, ranges[i].Offset + ranges[i].Count);
            if (start < end)
            {
                kernels.AdamW(
                    ranges[i].IsDecayed ? step.Decayed : step.Plain, source.From(start - first), destination.From(start - first),
                    gradient + (start * _elementBytes), _isFloat32, weights is null ? null : weights + (start * _elementBytes), end - start);
            }
        }
    }

    /// <inheritdoc/>
    public void CopyTile(byte* source, byte* destination, long sizeBytes) => stream.Copy(destination, source, sizeBytes);

    /// <inheritdoc/>
    public void SetWeights(byte* weights, TileShape shape, AdamWStates states)
    {
        if (shape.NumParameters > 0)
        {
            kernels.SetWeights(states, weights + (shape.FirstParameter * _elementBytes), shape.NumParameters);
        }
    }
}
