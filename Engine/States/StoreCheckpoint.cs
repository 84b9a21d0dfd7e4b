using Offload.Storage.Memory;
using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>States in memory and their copy in a store, which is brought up to date for each commit.</summary>
/// <param name="states">The states; borrowed.</param>
/// <param name="store">The store; borrowed, and disposed after this.</param>
internal sealed unsafe class StoreCheckpoint(ResidentStates states, StateStore store) : IStoredStates, IDisposable
{
    private readonly TileRing _ring = new(store);

    /// <inheritdoc/>
    public void Load(CancellationToken cancellation = default)
    {
        using var reader = new TileReader(store, store.Geometry.Tiles().Select(tile => new TileRead(tile, PartSet.All)), StoreMasters.Lookahead);
        while (reader.MoveNext(cancellation))
        {
            Copy(reader.Tile, reader.Address, toTile: false);
        }

        states.CompleteMasters();
    }

    /// <inheritdoc/>
    public void Save()
    {
        foreach (TileId tile in store.Geometry.Tiles())
        {
            byte* address = _ring.BeginWrite();
            Copy(tile, address, toTile: true);
            _ring.EndWrite(tile);
        }

        _ring.Drain();
    }

    public void Dispose() => _ring.Dispose();

    private void Copy(TileId tile, byte* address, bool toTile)
    {
        TileShape shape = store.Geometry.Tile(tile);
        IReadOnlyList<NativeBuffer> parts = states.Units[tile.Unit].Parts;
        for (int part = 0; part < parts.Count; part++)
        {
            PartRange range = shape.PartRange(part);
            byte* inTile = address + range.OffsetBytes;
            byte* inMemory = (byte*)parts[part].Address + (shape.FirstParameter * (range.SizeBytes / range.NumElements));
            if (toTile)
            {
                Buffer.MemoryCopy(inMemory, inTile, range.SizeBytes, range.SizeBytes);
                new Span<byte>(inTile + range.SizeBytes, range.PaddedBytes - range.SizeBytes).Clear();
            }
            else
            {
                Buffer.MemoryCopy(inTile, inMemory, range.SizeBytes, range.SizeBytes);
            }
        }
    }
}
