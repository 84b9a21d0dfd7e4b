using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Memory;

namespace Offload.Engine.States;

/// <summary>
/// A unit's states in memory. In bfloat16 runs the high halves of the masters are the unit's compute weights themselves; in float32 runs
/// they have a buffer of their own. Owns what is not the unit's.
/// </summary>
internal sealed unsafe class ResidentUnitStates : IDisposable
{
    private readonly NativeBuffer? _ownHigh;
    private readonly NativeBuffer _low;
    private readonly NativeBuffer? _firstMoment;
    private readonly NativeBuffer? _secondMoment;

    /// <param name="unit">The unit; borrowed.</param>
    /// <param name="trainable">False: weights alone, for evaluation and generation.</param>
    public ResidentUnitStates(UnitTensors unit, bool trainable)
    {
        Unit = unit;
        long count = unit.Layout.Count;
        try
        {
            _ownHigh = unit.Type == ComputeType.Float32 ? new NativeBuffer(count * sizeof(ushort)) : null;
            _low = new NativeBuffer(count * sizeof(short));
            if (trainable)
            {
                _firstMoment = new NativeBuffer(count * sizeof(float));
                _secondMoment = new NativeBuffer(count * sizeof(float));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The unit.</summary>
    public UnitTensors Unit { get; }

    /// <summary>High halves of the masters.</summary>
    public NativeBuffer High => _ownHigh ?? Unit.WeightBuffer;

    /// <summary>Low halves of the masters.</summary>
    public NativeBuffer Low => _low;

    /// <summary>Where the optimizer finds the states.</summary>
    public AdamWStates States => new(
        (ushort*)High.Address, (short*)_low.Address, (float*)Trainable(_firstMoment).Address, (float*)Trainable(_secondMoment).Address);

    /// <summary>The buffers of <see cref="AdamWParts"/>, in their order.</summary>
    public IReadOnlyList<NativeBuffer> Parts => [High, _low, Trainable(_firstMoment), Trainable(_secondMoment)];

    /// <summary>Makes the compute weights agree with the masters.</summary>
    public void RefreshWeights()
    {
        if (_ownHigh is not null)
        {
            Unit.SetWeights(0, Unit.Layout.Count, (ushort*)High.Address, (short*)_low.Address);
        }
    }

    public void Dispose()
    {
        // Some are missing if the constructor ran out of memory.
        _ownHigh?.Dispose();
        _low?.Dispose();
        _firstMoment?.Dispose();
        _secondMoment?.Dispose();
    }

    private static NativeBuffer Trainable(NativeBuffer? buffer) =>
        buffer ?? throw new InvalidOperationException("the unit was made without moments");
}
