using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Numerics;
using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>
/// Fills a new store with masters that come in order: each tile is put together in a slot and written when it is whole, moments zero. Bounded
/// memory. One thread.
/// </summary>
/// <param name="layout">The model that the store holds.</param>
/// <param name="ring">Over the store; borrowed.</param>
/// <param name="units">Whose compute weights are filled along; borrowed. Null: nobody's.</param>
internal sealed unsafe class StoreImport(ModelLayout layout, TileRing ring, IReadOnlyList<UnitTensors>? units = null) : IMasterWeightsTarget
{
    private TileId _tile;
    private int _numFilled;
    private byte* _address;

    /// <inheritdoc/>
    public ModelLayout Layout => layout;

    /// <inheritdoc/>
    public void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source)
    {
        long tileParameters = ring.Store.Description.TileParameters;
        while (!source.IsEmpty)
        {
            var tile = new TileId(unitIndex, (int)(offset / tileParameters));
            TileShape shape = ring.Store.Geometry.Tile(tile);
            int start = (int)(offset - shape.FirstParameter);
            if (start != _numFilled || (start > 0 && tile != _tile))
            {
                throw new InvalidOperationException($"masters must come in order: expected parameter {_numFilled} of {_tile}, found {start} of {tile}");
            }

            if (start == 0)
            {
                _tile = tile;
                _address = ring.BeginWrite();
                new Span<byte>(_address, shape.SizeBytes).Clear();
            }

            AdamWStates states = AdamWParts.In(_address, shape);
            int length = Math.Min(source.Length, shape.NumParameters - start);
            SplitMaster.Split(source[..length], new Span<ushort>(states.WeightHigh + start, length), new Span<short>(states.WeightLow + start, length));
            _numFilled = start + length;
            if (_numFilled == shape.NumParameters)
            {
                units?[unitIndex].SetWeights(shape.FirstParameter, shape.NumParameters, states.WeightHigh, states.WeightLow);
                ring.EndWrite(tile);
                _numFilled = 0;
            }

            source = source[length..];
            offset += length;
        }
    }

    /// <inheritdoc/>
    public void CompleteMasters() => ring.Drain();
}
