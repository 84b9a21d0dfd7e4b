using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Memory;
using Offload.Storage.Numerics;
using static TorchSharp.torch;

namespace Offload.Engine.States;

/// <summary>
/// What compute has of a unit in memory: weights, gradient sums, rounded gradients. Optimizer states are elsewhere:
/// <see cref="IOptimizerStates"/>. Owns all of it.
/// </summary>
internal sealed unsafe class UnitTensors : IDisposable
{
    private readonly NativeBuffer? _sums;
    private readonly NativeBuffer? _rounded;

    /// <param name="layout">The unit.</param>
    /// <param name="type">Element type of the compute weights.</param>
    /// <param name="trainable">False: weights alone, for evaluation and generation.</param>
    public UnitTensors(UnitLayout layout, ComputeType type, bool trainable)
    {
        Layout = layout;
        Type = type;
        long count = layout.Count;
        bool isFloat32 = type == ComputeType.Float32;
        try
        {
            WeightBuffer = new NativeBuffer(count * (isFloat32 ? sizeof(float) : sizeof(ushort)));
            Weights = Aten.FromMemory(WeightBuffer.Address, isFloat32 ? ScalarType.Float32 : ScalarType.BFloat16, count);
            if (trainable)
            {
                _sums = new NativeBuffer(count * sizeof(float));
                GradientSums = Aten.FromMemory(_sums.Address, ScalarType.Float32, count);
                _rounded = isFloat32 ? null : new NativeBuffer(count * sizeof(ushort));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The unit's tensors.</summary>
    public UnitLayout Layout { get; }

    /// <summary>Element type of the weights.</summary>
    public ComputeType Type { get; }

    /// <summary>[count], compute type.</summary>
    public Tensor Weights { get; }

    /// <summary>The memory of <see cref="Weights"/>: in bfloat16 runs, what the masters' high halves hold.</summary>
    public NativeBuffer WeightBuffer { get; }

    /// <summary>fp32 [count]; null if not trainable.</summary>
    public Tensor? GradientSums { get; }

    /// <summary>The step's gradients as the optimizer reads them: rounded to bf16, or the sums themselves in float32 runs.</summary>
    public GradientPointer Gradients => _rounded is null
        ? GradientPointer.Float32((float*)Trainable(_sums).Address)
        : GradientPointer.BFloat16((ushort*)_rounded.Address);

    /// <summary>Sets the gradient sums to zero.</summary>
    public void ClearGradients() => Trainable(_sums).Clear();

    /// <summary>Rounds the gradient sums once, after all micro-batches.</summary>
    public void RoundGradients(GradientRounding rounding)
    {
        if (_rounded is not null)
        {
            rounding.Round((float*)Trainable(_sums).Address, (ushort*)_rounded.Address, Layout.Count);
        }
    }

    /// <summary>Makes a range of the compute weights agree with the masters, after load or update.</summary>
    /// <param name="first">First element within the unit.</param>
    /// <param name="count">Elements.</param>
    /// <param name="high">High halves of the masters.</param>
    /// <param name="low">Low halves; not read in bfloat16 runs.</param>
    public void SetWeights(long first, long count, ushort* high, short* low)
    {
        const int ChunkElements = 1 << 20;
        for (long start = 0; start < count; start += ChunkElements)
        {
            int length = (int)Math.Min(ChunkElements, count - start);
            var highs = new ReadOnlySpan<ushort>(high + start, length);
            if (Type == ComputeType.Float32)
            {
                SplitMaster.Join(highs, new ReadOnlySpan<short>(low + start, length), WeightBuffer.AsSpan<float>(first + start, length));
            }
            else
            {
                highs.CopyTo(WeightBuffer.AsSpan<ushort>(first + start, length));
            }
        }
    }

    /// <summary>Reads the gradients as the optimizer does.</summary>
    /// <param name="offset">First element within the unit.</param>
    /// <param name="destination">Receives them, in fp32.</param>
    public void ReadGradients(long offset, Span<float> destination)
    {
        if (_rounded is null)
        {
            Trainable(_sums).AsSpan<float>(offset, destination.Length).CopyTo(destination);
        }
        else
        {
            BFloat16Convert.ToSingle(_rounded.AsSpan<ushort>(offset, destination.Length), destination);
        }
    }

    public void Dispose()
    {
        // Some are missing if the constructor ran out of memory.
        Weights?.Dispose();
        GradientSums?.Dispose();
        WeightBuffer?.Dispose();
        _sums?.Dispose();
        _rounded?.Dispose();
    }

    private static NativeBuffer Trainable(NativeBuffer? buffer) =>
        buffer ?? throw new InvalidOperationException("the unit was made for evaluation alone");
}
