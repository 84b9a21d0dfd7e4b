using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Storage.Numerics;

namespace Offload.Engine.States;

/// <summary>All states in memory.</summary>
internal sealed unsafe class ResidentStates : IOptimizerStates
{
    private const int ChunkElements = 1 << 20;

    private readonly List<ResidentUnitStates> _units = [];
    private readonly UnitUpdate _update;

    /// <param name="layout">The model.</param>
    /// <param name="units">Its units; borrowed.</param>
    /// <param name="threads">Threads of the optimizer; borrowed.</param>
    /// <param name="trainable">False: weights alone, for evaluation and generation.</param>
    public ResidentStates(ModelLayout layout, IReadOnlyList<UnitTensors> units, ParallelRanges threads, bool trainable = true)
    {
        Layout = layout;
        _update = new UnitUpdate(layout, threads);
        try
        {
            foreach (UnitTensors unit in units)
            {
                _units.Add(new ResidentUnitStates(unit, trainable));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="IOptimizerStates.Layout"/>
    public ModelLayout Layout { get; }

    /// <summary>The units' states, in the order of the forward pass.</summary>
    public IReadOnlyList<ResidentUnitStates> Units => _units;

    /// <inheritdoc/>
    public void Update(UnitTensors unit, in UpdateStep step)
    {
        ResidentUnitStates states = _units[unit.Layout.Index];
        _update.Run(unit.Layout.Index, 0, unit.Layout.Count, states.States, states.States, unit.Gradients, step);
        states.RefreshWeights();
    }

    /// <inheritdoc/>
    public void CompleteUpdate()
    {
    }

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default)
    {
        var masters = new float[(int)Math.Min(ChunkElements, ranges.Select(range => range.Count).DefaultIfEmpty(0).Max())];
        for (int i = 0; i < ranges.Count; i++)
        {
            (int unit, long offset, long count) = ranges[i];
            for (long start = 0; start < count; start += ChunkElements)
            {
                cancellation.ThrowIfCancellationRequested();
                int length = (int)Math.Min(ChunkElements, count - start);
                SplitMaster.Join(
                    _units[unit].High.AsSpan<ushort>(offset + start, length), _units[unit].Low.AsSpan<short>(offset + start, length), masters.AsSpan(0, length));
                chunk(i, start, masters.AsSpan(0, length));
            }
        }
    }

    /// <inheritdoc/>
    public void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source) => SplitMaster.Split(
        source, _units[unitIndex].High.AsSpan<ushort>(offset, source.Length), _units[unitIndex].Low.AsSpan<short>(offset, source.Length));

    /// <inheritdoc/>
    public void CompleteMasters()
    {
        foreach (ResidentUnitStates unit in _units)
        {
            unit.RefreshWeights();
        }
    }

    public void Dispose()
    {
        foreach (ResidentUnitStates unit in _units)
        {
            unit.Dispose();
        }
    }
}
