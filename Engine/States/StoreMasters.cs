using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Memory;
using Offload.Storage.Numerics;
using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>
/// A store's master weights, read as they are asked for with tiles read ahead, in bounded memory; every byte is checked. One thread at a time.
/// </summary>
/// <param name="layout">The model that the store holds.</param>
/// <param name="store">The store; borrowed.</param>
/// <param name="limit">What the memory of the tiles is reserved from; null: unlimited.</param>
internal sealed unsafe class StoreMasters(ModelLayout layout, StateStore store, MemoryLimit? limit = null) : IMasterWeights
{
    /// <summary>Tiles read ahead: two keep the disk at work while one is used.</summary>
    public const int Lookahead = 2;

    private const int ChunkElements = 1 << 18;

    /// <inheritdoc/>
    public ModelLayout Layout => layout;

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default)
    {
        var masters = new float[ChunkElements];
        using var reader = new TileReader(store, Tiles(ranges), Lookahead, limit);
        TileId? current = null;
        foreach (Piece piece in Pieces(ranges))
        {
            if (piece.Tile != current)
            {
                current = piece.Tile;
                reader.MoveNext(cancellation);
            }

            AdamWStates states = AdamWParts.In(reader.Address, reader.Shape);
            for (int done = 0; done < piece.Count; done += ChunkElements)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<float> some = masters.AsSpan(0, Math.Min(ChunkElements, piece.Count - done));
                int start = piece.StartInTile + done;
                SplitMaster.Join(new ReadOnlySpan<ushort>(states.WeightHigh + start, some.Length), new ReadOnlySpan<short>(states.WeightLow + start, some.Length), some);
                chunk(piece.Range, piece.Offset + done, some);
            }
        }
    }

    /// <summary>The tiles of the pieces; one that the end of a range and the start of the next share comes once.</summary>
    private IEnumerable<TileRead> Tiles(IReadOnlyList<MasterRange> ranges)
    {
        TileId? last = null;
        foreach (Piece piece in Pieces(ranges))
        {
            if (piece.Tile != last)
            {
                last = piece.Tile;
                yield return new TileRead(piece.Tile, AdamWParts.Masters);
            }
        }
    }

    private IEnumerable<Piece> Pieces(IReadOnlyList<MasterRange> ranges)
    {
        long tileParameters = store.Description.TileParameters;
        for (int i = 0; i < ranges.Count; i++)
        {
            (int unit, long offset, long count) = ranges[i];
            for (long done = 0; done < count;)
            {
                (long tile, long start) = Math.DivRem(offset + done, tileParameters);
                int length = (int)Math.Min(tileParameters - start, count - done);
                yield return new Piece(new TileId(unit, (int)tile), i, done, (int)start, length);
                done += length;
            }
        }
    }

    /// <summary>What a range has of a tile.</summary>
    /// <param name="Tile">The tile.</param>
    /// <param name="Range">Index of the range.</param>
    /// <param name="Offset">Its place in the range.</param>
    /// <param name="StartInTile">Its place in the tile.</param>
    /// <param name="Count">Elements.</param>
    private readonly record struct Piece(TileId Tile, int Range, long Offset, int StartInTile, int Count);
}
