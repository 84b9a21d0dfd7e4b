using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.States;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.Numerics;
using Offload.Storage.States;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// Master weights and moments of a swapped model while no step is at work: in the slots of units that stay in memory, in the store of the others.
/// One thread.
/// </summary>
internal sealed unsafe class SwapStates : IMasterWeights, IMasterWeightsTarget, IStoredStates, IDisposable
{
    private const int ChunkElements = 1 << 18;

    /// <summary>Tiles written at a time: of 24 MiB each, so the drive has work while the checksums of others are computed.</summary>
    private const int NumWriters = 4;

    private readonly SwapEngine _engine;
    private readonly StateStore _store;
    private readonly MemoryLimit _cpuLimit;
    private readonly nint[][] _tiles; // Of units whose states stay in memory: where each is. Others: empty.
    private readonly nint[] _weights; // In CPU memory or for good on the GPU; 0: they come from the store.
    private readonly StoreMasters _masters;
    private readonly TransferTurns _writers;
    private readonly StagedTiles _staged;
    private TileRing? _importRing;
    private StoreImport? _import;
    private bool _isDisposed;

    /// <param name="engine">The model.</param>
    /// <param name="slots">Memory of its training schedule.</param>
    /// <param name="cpuLimit">What tiles on their way are reserved from.</param>
    public SwapStates(SwapEngine engine, SlotTable slots, MemoryLimit cpuLimit)
    {
        _engine = engine;
        _store = engine.Store;
        _cpuLimit = cpuLimit;
        Layout = engine.Layout;
        _tiles = [.. Layout.Units.Select(unit => StaysInMemory(unit) ? new nint[_store.Geometry.TileCount(unit.Index)] : [])];
        _weights = new nint[Layout.Units.Count];
        _writers = new TransferTurns(_store, NumWriters);
        _staged = new StagedTiles(engine.Device, _store.Geometry.MaxTileBytes, NumWriters, cpuLimit);
        _masters = new StoreMasters(Layout, _store, cpuLimit);
        FindSlots(slots);
    }

    /// <inheritdoc cref="IMasterWeights.Layout"/>
    public ModelLayout Layout { get; }

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_engine.Plan.IsDurable)
        {
            // The store has them all.
            _masters.ReadMasters(ranges, chunk, cancellation);
            return;
        }

        try
        {
            ReadFromMemory(ranges, chunk, cancellation);
        }
        finally
        {
            // Steps change what is on the GPU.
            _staged.Forget();
        }
    }

    private void ReadFromMemory(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation)
    {
        var masters = new float[ChunkElements];
        for (int i = 0; i < ranges.Count; i++)
        {
            (int unit, long offset, long count) = ranges[i];
            for (long done = 0; done < count;)
            {
                cancellation.ThrowIfCancellationRequested();
                (AdamWStates states, TileShape shape) = TileOf(unit, offset + done, isChanged: false);
                int start = (int)(offset + done - shape.FirstParameter);
                Span<float> some = masters.AsSpan(0, (int)Math.Min(Math.Min(ChunkElements, count - done), shape.NumParameters - start));
                SplitMaster.Join(new ReadOnlySpan<ushort>(states.WeightHigh + start, some.Length), new ReadOnlySpan<short>(states.WeightLow + start, some.Length), some);
                chunk(i, done, some);
                done += some.Length;
            }
        }
    }

    /// <inheritdoc/>
    public void WriteMasters(int unitIndex, long offset, ReadOnlySpan<float> source)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_engine.Plan.IsDurable)
        {
            _importRing ??= new TileRing(_store, _cpuLimit);
            _import ??= new StoreImport(Layout, _importRing);
            _import.WriteMasters(unitIndex, offset, source);
            return;
        }

        while (!source.IsEmpty)
        {
            (AdamWStates states, TileShape shape) = TileOf(unitIndex, offset, isChanged: true);
            int start = (int)(offset - shape.FirstParameter);
            int length = Math.Min(source.Length, shape.NumParameters - start);
            SplitMaster.Split(source[..length], new Span<ushort>(states.WeightHigh + start, length), new Span<short>(states.WeightLow + start, length));
            source = source[length..];
            offset += length;
        }
    }

    /// <inheritdoc/>
    public void CompleteMasters()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_engine.Plan.IsDurable)
        {
            _import?.CompleteMasters();
            _importRing?.Dispose();
            _import = null;
            _importRing = null;
            Load();
        }
        else
        {
            _staged.PutBack();
            _staged.Forget();
            RefreshWeights();
        }
    }

    /// <inheritdoc/>
    public void Load(CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _staged.Forget();
        _engine.Device.PrepareThread();
        PartSet weightParts = _engine.Type == ComputeType.Float32 ? AdamWParts.Masters : PartSet.Of(AdamWParts.High);
        IEnumerable<TileRead> reads = _store.Geometry.Tiles()
            .Where(tile => _tiles[tile.Unit].Length > 0 || _weights[tile.Unit] != 0)
            .Select(tile => new TileRead(tile, _tiles[tile.Unit].Length > 0 ? PartSet.All : weightParts));
        using (var reader = new TileReader(_store, reads, StoreMasters.Lookahead, _cpuLimit))
        {
            while (reader.MoveNext(cancellation))
            {
                Take(reader.Tile, reader.Shape, reader.Address);
            }
        }

        _engine.Device.Finish();
        _engine.Updates.AllWritten();
    }

    /// <inheritdoc/>
    public void Save()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_engine.Plan.IsDurable)
        {
            // Each step writes what is new.
            return;
        }

        Write(_store.Geometry.Tiles());
    }

    /// <summary>Writes what stays in memory and is newer than the store has it.</summary>
    /// <exception cref="Offload.Storage.StorageException">The device failed.</exception>
    public void WriteDirty()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        Write(_store.Geometry.Tiles().Where(tile => _tiles[tile.Unit].Length > 0 && _engine.Updates.TakeDirty(tile)));
    }

    /// <summary>Frees what an import that did not end has left. The memory of the states goes with the model: nothing is to be read any more.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _importRing?.Dispose();
        _staged.Dispose();
    }

    /// <summary>Whether a unit's states, and then its weights too, are in a GPU's own memory.</summary>
    private bool IsApart(int unit) => _engine.Device.IsSeparate && _engine.Plan.Units[unit].States == Tier.Gpu;

    private bool StaysInMemory(UnitLayout unit) => unit.Count > 0 && _engine.Plan.Units[unit.Index].States != Tier.Nvme;

    /// <summary>Where what stays in memory is, as the schedule has it.</summary>
    private void FindSlots(SlotTable slots)
    {
        StepSchedule schedule = slots.Schedule;
        for (int index = 0; index < schedule.Operations.Count; index++)
        {
            Operation operation = schedule.Operations[index];
            if (operation.Kind is not (OperationKind.UpdateStates or OperationKind.UpdateOnGpu))
            {
                continue;
            }

            if (_tiles[operation.Unit].Length > 0)
            {
                _tiles[operation.Unit][operation.Tile] = (nint)slots.Find(index, ContentKind.States, operation.Unit);
            }

            // What an update brings from the drives passes by.
            _weights[operation.Unit] = operation.BringsWeights ? 0 : (nint)slots.Find(index, ContentKind.Weights, operation.Unit);
        }
    }

    private byte* Address(TileId tile) =>
        (byte*)_tiles[tile.Unit][tile.Tile] + (_engine.Updates.HalfOf(tile.Unit, tile.Tile) * _store.Geometry.Tile(tile).SizeBytes);

    private (AdamWStates States, TileShape Shape) TileOf(int unit, long parameter, bool isChanged)
    {
        var tile = new TileId(unit, (int)(parameter / _store.Description.TileParameters));
        TileShape shape = _store.Geometry.Tile(tile);
        byte* address = IsApart(unit) ? _staged.View(Address(tile), shape.SizeBytes, isChanged) : Address(tile);
        return (AdamWParts.In(address, shape), shape);
    }

    private void Write(IEnumerable<TileId> tiles)
    {
        try
        {
            foreach (TileId tile in tiles)
            {
                TileTransfer writer = _writers.Next();
                byte* address = IsApart(tile.Unit) ? _staged.Copy(_writers.NextIndex, Address(tile), _store.Geometry.Tile(tile).SizeBytes) : Address(tile);
                writer.PrepareWrite(tile, address, IoPriority.Normal);
                _writers.Start();
            }

            _writers.Drain();
        }
        catch
        {
            _writers.Abandon();
            throw;
        }
        finally
        {
            _staged.Forget();
        }
    }

    private void Take(TileId tile, TileShape shape, byte* source)
    {
        AdamWStates states = AdamWParts.In(source, shape);
        if (_tiles[tile.Unit].Length > 0)
        {
            if (IsApart(tile.Unit))
            {
                _engine.Device.CopyNow(source, Address(tile), shape.SizeBytes);
            }
            else
            {
                Buffer.MemoryCopy(source, Address(tile), shape.SizeBytes, shape.SizeBytes);
            }
        }

        if (_weights[tile.Unit] != 0)
        {
            SetWeights(tile, shape, IsApart(tile.Unit) ? AdamWParts.In(Address(tile), shape) : states);
        }
    }

    private void SetWeights(TileId tile, TileShape shape, AdamWStates states) =>
        (IsApart(tile.Unit) ? _engine.Compute : _engine.HostTiles).SetWeights((byte*)_weights[tile.Unit], shape, states);

    private void RefreshWeights()
    {
        _engine.Device.PrepareThread();
        foreach (TileId tile in _store.Geometry.Tiles().Where(tile => _weights[tile.Unit] != 0))
        {
            TileShape shape = _store.Geometry.Tile(tile);
            SetWeights(tile, shape, AdamWParts.In(Address(tile), shape));
        }

        _engine.Device.Finish();
    }
}
