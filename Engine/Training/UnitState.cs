using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Memory;
using Offload.Storage.Numerics;
using static TorchSharp.torch;

namespace Offload.Engine.Training;

/// <summary>
/// A resident unit: split master weights, both moments, gradient sums and the weights that compute uses. In bfloat16 runs the high
/// half of the masters is the compute weights; in float32 runs they are joined into a buffer of their own after each update. Owns all of it.
/// </summary>
internal sealed unsafe class UnitState : IDisposable
{
    private readonly NativeBuffer _high;
    private readonly NativeBuffer _low;
    private readonly NativeBuffer? _joined;
    private readonly NativeBuffer? _firstMoment;
    private readonly NativeBuffer? _secondMoment;
    private readonly NativeBuffer? _sums;
    private readonly NativeBuffer? _rounded;

    /// <param name="layout">The unit.</param>
    /// <param name="type">Element type of the compute weights.</param>
    /// <param name="trainable">False: weights alone, for evaluation and generation.</param>
    public UnitState(UnitLayout layout, ComputeType type, bool trainable)
    {
        Layout = layout;
        long count = layout.Count;
        try
        {
            _high = new NativeBuffer(count * sizeof(ushort));
            _low = new NativeBuffer(count * sizeof(short));
            if (type == ComputeType.Float32)
            {
                _joined = new NativeBuffer(count * sizeof(float));
            }

            Weights = _joined is null
                ? Aten.FromMemory(_high.Address, ScalarType.BFloat16, count)
                : Aten.FromMemory(_joined.Address, ScalarType.Float32, count);
            if (trainable)
            {
                _firstMoment = new NativeBuffer(count * sizeof(float));
                _secondMoment = new NativeBuffer(count * sizeof(float));
                _sums = new NativeBuffer(count * sizeof(float));
                GradientSums = Aten.FromMemory(_sums.Address, ScalarType.Float32, count);
                if (type == ComputeType.BFloat16)
                {
                    _rounded = new NativeBuffer(count * sizeof(ushort));
                }
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

    /// <summary>[count], compute type.</summary>
    public Tensor Weights { get; }

    /// <summary>fp32 [count]; null if not trainable.</summary>
    public Tensor? GradientSums { get; }

    /// <summary>Where the optimizer finds the states.</summary>
    public AdamWStates States => new(
        (ushort*)_high.Address, (short*)_low.Address, (float*)Trainable(_firstMoment).Address, (float*)Trainable(_secondMoment).Address);

    /// <summary>The step's gradients as the optimizer reads them: rounded to bf16, or the sums themselves in float32 runs.</summary>
    public GradientPointer Gradients => _rounded is null
        ? GradientPointer.Float32((float*)Trainable(_sums).Address)
        : GradientPointer.BFloat16((ushort*)_rounded.Address);

    /// <summary>The parts of the unit's states, in the order in which they are stored.</summary>
    public IReadOnlyList<(string Role, NativeBuffer Buffer)> Parts =>
        [("high", _high), ("low", _low), ("first_moment", Trainable(_firstMoment)), ("second_moment", Trainable(_secondMoment))];

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

    /// <summary>Makes the compute weights agree with the masters, after load or update.</summary>
    public void RefreshWeights()
    {
        const int ChunkElements = 1 << 20;
        for (long start = 0; _joined is not null && start < Layout.Count; start += ChunkElements)
        {
            int count = (int)Math.Min(ChunkElements, Layout.Count - start);
            SplitMaster.Join(_high.AsSpan<ushort>(start, count), _low.AsSpan<short>(start, count), _joined.AsSpan<float>(start, count));
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

    /// <summary>Reads masters.</summary>
    /// <param name="offset">First element within the unit.</param>
    /// <param name="destination">Receives them.</param>
    public void ReadMasters(long offset, Span<float> destination) => SplitMaster.Join(
        _high.AsSpan<ushort>(offset, destination.Length), _low.AsSpan<short>(offset, destination.Length), destination);

    /// <summary>Writes masters; call <see cref="RefreshWeights"/> when done.</summary>
    /// <param name="offset">First element within the unit.</param>
    /// <param name="source">The masters.</param>
    public void WriteMasters(long offset, ReadOnlySpan<float> source) => SplitMaster.Split(
        source, _high.AsSpan<ushort>(offset, source.Length), _low.AsSpan<short>(offset, source.Length));

    public void Dispose()
    {
        // Some are missing if the constructor ran out of memory.
        Weights?.Dispose();
        GradientSums?.Dispose();
        _high?.Dispose();
        _low?.Dispose();
        _joined?.Dispose();
        _firstMoment?.Dispose();
        _secondMoment?.Dispose();
        _sums?.Dispose();
        _rounded?.Dispose();
    }

    private static NativeBuffer Trainable(NativeBuffer? buffer) =>
        buffer ?? throw new InvalidOperationException("the unit was made without optimizer states");
}
