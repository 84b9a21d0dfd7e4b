using System.Runtime.ExceptionServices;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Profiles;
using Offload.Storage;
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
    private readonly TileTransfer[] _weightReaders;
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
        _weightReaders = [.. Enumerable.Range(0, NumWeightReaders).Select(_ => new TileTransfer(_store))];
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

        Start(_reader);
        _reader.Wait(cancellation);
    }

    private void WriteStates(int index, in Operation operation, StepInFlight step, CancellationToken cancellation)
    {
        if (!_engine.Updates.TakeWrite(operation, step, _slots, _slots.SlotOf(index, ContentKind.States), out byte* address))
        {
            return;
        }

        _writer.PrepareWrite(new TileId(operation.Unit, operation.Tile), address, IoPriority.Normal);
        Start(_writer);
        _writer.Wait(cancellation);
    }

    /// <summary>
    /// All weights of a unit. In bfloat16 runs they are the tiles' high halves, which come right to their place; in float32 runs both halves come
    /// to a slot of their own and are joined.
    /// </summary>
    private void ReadWeights(int index, in Operation operation, CancellationToken cancellation)
    {
        int unit = operation.Unit;
        byte* weights = _slots.Find(index, ContentKind.Weights, unit);
        int count = _store.Geometry.TileCount(unit);
        if (_engine.Type == ComputeType.Float32)
        {
            byte* staging = _slots.Find(index, ContentKind.States, unit);
            for (int tile = 0; tile < count; tile++)
            {
                _reader.PrepareRead(new TileId(unit, tile), AdamWParts.Masters, staging, IoPriority.Normal);
                Start(_reader);
                _reader.Wait(cancellation);
                TileShape shape = _store.Geometry.Tile(new TileId(unit, tile));
                AdamWStates states = AdamWParts.In(staging, shape);
                SplitMaster.Join(
                    new ReadOnlySpan<ushort>(states.WeightHigh, shape.NumParameters),
                    new ReadOnlySpan<short>(states.WeightLow, shape.NumParameters),
                    new Span<float>((float*)weights + shape.FirstParameter, shape.NumParameters));
            }

            return;
        }

        int numStarted = 0;
        int numDone = 0;
        try
        {
            while (numDone < count)
            {
                // Several in flight: a tile's weights are a few blocks only, and others' checksums are computed meanwhile.
                for (; numStarted < Math.Min(count, numDone + _weightReaders.Length); numStarted++)
                {
                    var id = new TileId(unit, numStarted);
                    TileTransfer transfer = Turn(numStarted);
                    transfer.PrepareRead(id, PartSet.Of(AdamWParts.High), weights + (_store.Geometry.Tile(id).FirstParameter * sizeof(ushort)), IoPriority.Normal);
                    Start(transfer);
                }

                // Counted first: whatever comes of it, it is not waited for again.
                Turn(numDone++).Wait(cancellation);
            }
        }
        catch
        {
            for (; numDone < numStarted; numDone++)
            {
                Abandon(Turn(numDone));
            }

            throw;
        }
    }

    /// <summary>
    /// What the store refuses since another operation failed is that operation's error, whichever lane is the first to tell of it: after a write
    /// that failed it gives no reads.
    /// </summary>
    private void Start(TileTransfer transfer)
    {
        try
        {
            _store.Start(transfer);
        }
        catch (StorageException refused) when (refused.InnerException is OffloadException cause)
        {
            ExceptionDispatchInfo.Throw(cause);
        }
    }

    private TileTransfer Turn(int tile) => _weightReaders[tile % _weightReaders.Length];

    /// <summary>Waits for a transfer whose bytes nobody needs: another error is on its way up.</summary>
    private static void Abandon(TileTransfer transfer)
    {
        transfer.Cancel();
        try
        {
            transfer.Wait();
        }
        catch (Exception error) when (error is OffloadException or OperationCanceledException)
        {
        }
    }

    private void Scratch(RangeTransfer transfer, BlockOperation direction, int onDrive, int inMemory, in Operation operation, CancellationToken cancellation)
    {
        long sizeBytes = (operation.Amount + SlotArena.AlignmentBytes - 1) / SlotArena.AlignmentBytes * SlotArena.AlignmentBytes;
        transfer.Run(_engine.Scratch!, direction, _slots.ScratchOffsetBytes(onDrive), _slots.Address(inMemory), sizeBytes, IoPriority.Normal, cancellation);
    }
}
