using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.Numerics;
using Offload.Storage.States;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>Operations of <see cref="Lane.SsdRead"/> and <see cref="Lane.SsdWrite"/>, each on its lane's thread.</summary>
internal sealed unsafe class DriveLanes
{
    /// <summary>Tiles whose weights are read at a time: of 2^21 parameters they are 4 MiB each, and a drive wants 16 such blocks.</summary>
    private const int NumWeightReaders = 16;

    private readonly SlotTable _slots;
    private readonly SwapEngine _engine;
    private readonly StateStore _store;
    private readonly TileTransfer _reader;
    private readonly TransferTurns _weightReaders;
    private readonly TileTransfer _writer;
    private readonly RangeTransfer _scratchReader = new();
    private readonly RangeTransfer _scratchWriter = new();

    /// <param name="slots">The schedule's slots.</param>
    /// <param name="engine">What the lanes share.</param>
    public DriveLanes(SlotTable slots, SwapEngine engine)
    {
        _slots = slots;
        _engine = engine;
        _store = engine.Store;
        _reader = new TileTransfer(_store);
        _weightReaders = new TransferTurns(_store, NumWeightReaders);
        _writer = new TileTransfer(_store);
    }

    /// <summary>Runs one operation.</summary>
    public void Run(int index, in Operation operation, StepInFlight step, CancellationToken cancellation)
    {
        switch (operation.Kind)
        {
            case OperationKind.ReadStates:
                if (operation.BringsWeights || _engine.Updates.IsDue(operation, step))
                {
                    ReadStates(index, operation, cancellation);
                }

                break;
            case OperationKind.ReadWeights:
                ReadWeights(index, operation, cancellation);
                break;
            case OperationKind.ReadGradients or OperationKind.ReadActivations:
                Scratch(_scratchReader, BlockOperation.Read, _slots.Only(index, AccessMode.Read), _slots.Only(index, AccessMode.Write), operation, cancellation);
                break;
            case OperationKind.WriteGradients or OperationKind.WriteActivations:
                Scratch(_scratchWriter, BlockOperation.Write, _slots.Only(index, AccessMode.Write), _slots.Only(index, AccessMode.Read), operation, cancellation);
                break;
            case OperationKind.WriteStates:
                WriteStates(index, operation, step, cancellation);
                break;
            case OperationKind.Commit:
                UnitUpdates.Commit(operation, step);
                break;
            default:
                throw new InvalidOperationException($"{operation.Kind} is not for the drives' lanes");
        }
    }

    private void ReadStates(int index, in Operation operation, CancellationToken cancellation)
    {
        byte* slot = _slots.Address(_slots.SlotOf(index, ContentKind.States));
        var tile = new TileId(operation.Unit, operation.Tile);
        if (operation.Guard == Guard.IfRedone)
        {
            _reader.PrepareReadCommitted(tile, PartSet.All, slot, IoPriority.Normal);
        }
        else
        {
            _reader.PrepareRead(tile, PartSet.All, slot, IoPriority.Normal);
        }

        TransferTurns.Start(_store, _reader);
        _reader.Wait(cancellation);
    }

    private void WriteStates(int index, in Operation operation, StepInFlight step, CancellationToken cancellation)
    {
        if (!_engine.Updates.TakeWrite(operation, step, _slots, _slots.SlotOf(index, ContentKind.States), out byte* address))
        {
            return;
        }

        _writer.PrepareWrite(new TileId(operation.Unit, operation.Tile), address, IoPriority.Normal);
        TransferTurns.Start(_store, _writer);
        _writer.Wait(cancellation);
    }

    /// <summary>
    /// All weights of a unit. In bfloat16 runs they are the tiles' high halves, which come right to their place; in float32 runs both halves come
    /// to a slot of their own and are joined.
    /// </summary>
    private void ReadWeights(int index, in Operation operation, CancellationToken cancellation)
    {
        byte* weights = _slots.Find(index, ContentKind.Weights, operation.Unit);
        try
        {
            if (_engine.Type == ComputeType.Float32)
            {
                ReadMasters(operation.Unit, _slots.Find(index, ContentKind.States, operation.Unit), (float*)weights, cancellation);
            }
            else
            {
                ReadHighHalves(operation.Unit, weights, cancellation);
            }
        }
        catch
        {
            _weightReaders.Abandon();
            throw;
        }
    }

    private void ReadHighHalves(int unit, byte* weights, CancellationToken cancellation)
    {
        int count = _store.Geometry.TileCount(unit);
        for (int tile = 0; tile < count; tile++)
        {
            // Several in flight: a tile's weights are a few blocks only, and others' checksums are computed meanwhile.
            var id = new TileId(unit, tile);
            byte* place = weights + (_store.Geometry.Tile(id).FirstParameter * sizeof(ushort));
            _weightReaders.Next(cancellation).PrepareRead(id, PartSet.Of(AdamWParts.High), place, IoPriority.Normal);
            _weightReaders.Start();
        }

        _weightReaders.Drain(cancellation);
    }

    /// <summary>The slot has room for two tiles: one is read while the other one is joined.</summary>
    private void ReadMasters(int unit, byte* staging, float* weights, CancellationToken cancellation)
    {
        int count = _store.Geometry.TileCount(unit);
        byte* other = staging + _store.Geometry.Tile(new TileId(unit, 0)).PartRange(AdamWParts.FirstMoment).OffsetBytes; // Behind its masters.
        for (int started = 0; started <= count; started++)
        {
            if (started < count)
            {
                _weightReaders.Next(cancellation).PrepareRead(new TileId(unit, started), AdamWParts.Masters, started % 2 == 0 ? staging : other, IoPriority.Normal);
                _weightReaders.Start();
            }

            if (started > 0)
            {
                _weightReaders.Settle(cancellation);
                Join(_store.Geometry.Tile(new TileId(unit, started - 1)), started % 2 == 0 ? other : staging, weights);
            }
        }
    }

    private static void Join(TileShape shape, byte* source, float* weights)
    {
        AdamWStates states = AdamWParts.In(source, shape);
        SplitMaster.Join(
            new ReadOnlySpan<ushort>(states.WeightHigh, shape.NumParameters),
            new ReadOnlySpan<short>(states.WeightLow, shape.NumParameters),
            new Span<float>(weights + shape.FirstParameter, shape.NumParameters));
    }

    private void Scratch(RangeTransfer transfer, BlockOperation direction, int onDrive, int inMemory, in Operation operation, CancellationToken cancellation)
    {
        long sizeBytes = (operation.Amount + SlotArena.AlignmentBytes - 1) / SlotArena.AlignmentBytes * SlotArena.AlignmentBytes;
        transfer.Run(_engine.Scratch!, direction, _slots.ScratchOffsetBytes(onDrive), _slots.Address(inMemory), sizeBytes, IoPriority.Normal, cancellation);
    }
}
