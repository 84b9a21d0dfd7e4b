using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>
/// States that live in a store; memory has the compute weights and a few tiles. An update reads each tile, changes it and writes it back, with
/// reads and writes in flight beside the computation.
/// </summary>
internal sealed unsafe class StoreStates : IOptimizerStates, IStoredStates, ITileWork
{
    private readonly IReadOnlyList<UnitTensors> _units;
    private readonly TileRing _ring;
    private readonly UnitUpdate _update;
    private readonly StateStore _store;
    private readonly StoreMasters _masters;
    private readonly StoreImport _import;
    private UnitTensors? _unit;
    private UpdateStep _step;

    /// <param name="layout">The model.</param>
    /// <param name="units">Its units; borrowed.</param>
    /// <param name="threads">Threads of the optimizer; borrowed.</param>
    /// <param name="store">The store; borrowed, and disposed after this.</param>
    public StoreStates(ModelLayout layout, IReadOnlyList<UnitTensors> units, ParallelRanges threads, StateStore store)
    {
        Layout = layout;
        _units = units;
        _store = store;
        _ring = new TileRing(store);
        _update = new UnitUpdate(layout, threads);
        _masters = new StoreMasters(layout, store);
        _import = new StoreImport(layout, _ring, units);
    }

    /// <inheritdoc cref="IOptimizerStates.Layout"/>
    public ModelLayout Layout { get; }

    /// <inheritdoc/>
    public void Update(UnitTensors unit, in UpdateStep step)
    {
        if (unit.Layout.Count == 0)
        {
            return;
        }

        _unit = unit;
        _step = step;
        _ring.Update(unit.Layout.Index, this);
    }

    /// <inheritdoc/>
    public void CompleteUpdate() => _ring.Drain();

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default) =>
        _masters.ReadMasters(ranges, chunk, cancellation);

    /// <inheritdoc/>
    public void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source) => _import.WriteMasters(unitIndex, offset, source);

    /// <inheritdoc/>
    public void CompleteMasters() => _import.CompleteMasters();

    /// <inheritdoc/>
    public void Load(CancellationToken cancellation = default)
    {
        // In bfloat16 runs the high halves are the compute weights.
        PartSet parts = _units[0].Type == ComputeType.Float32 ? AdamWParts.Masters : PartSet.Of(AdamWParts.High);
        using var reader = new TileReader(_store, _store.Geometry.Tiles().Select(tile => new TileRead(tile, parts)), StoreMasters.Lookahead);
        while (reader.MoveNext(cancellation))
        {
            TileShape shape = reader.Shape;
            AdamWStates states = AdamWParts.In(reader.Address, shape);
            _units[reader.Tile.Unit].SetWeights(shape.FirstParameter, shape.NumParameters, states.WeightHigh, states.WeightLow);
        }
    }

    /// <inheritdoc/>
    public void Save() => _ring.Drain();

    public void Dispose() => _ring.Dispose();

    void ITileWork.OnTile(TileId tile, byte* address)
    {
        TileShape shape = _store.Geometry.Tile(tile);
        AdamWStates states = AdamWParts.In(address, shape);
        _update.Run(tile.Unit, shape.FirstParameter, shape.NumParameters, states, states, _unit!.Gradients.From(shape.FirstParameter), _step);
        _unit.SetWeights(shape.FirstParameter, shape.NumParameters, states.WeightHigh, states.WeightLow);
    }
}
