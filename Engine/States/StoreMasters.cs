using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage.Numerics;
using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>
/// A store's master weights, read as they are asked for with tiles read ahead, in bounded memory; every byte is checked. One thread at a time.
/// </summary>
/// <param name="layout">The model that the store holds.</param>
/// <param name="ring">Over the store; borrowed.</param>
internal sealed unsafe class StoreMasters(ModelLayout layout, TileRing ring) : IMasterWeights, ITileWork
{
    private const int ChunkElements = 1 << 18;

    private readonly List<Piece> _pieces = [];
    private readonly float[] _masters = new float[ChunkElements];
    private int _nextPiece;
    private MasterChunk? _chunk;

    /// <inheritdoc/>
    public ModelLayout Layout => layout;

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default)
    {
        // A tile that the end of one range and the start of the next share is read once.
        var tiles = new List<TileId>();
        _pieces.Clear();
        _nextPiece = 0;
        _chunk = chunk;
        long tileParameters = ring.Store.Description.TileParameters;
        for (int i = 0; i < ranges.Count; i++)
        {
            (int unit, long offset, long count) = ranges[i];
            for (long done = 0; done < count;)
            {
                var tile = new TileId(unit, (int)((offset + done) / tileParameters));
                int start = (int)((offset + done) % tileParameters);
                int length = (int)Math.Min(tileParameters - start, count - done);
                if (tiles.Count == 0 || tiles[^1] != tile)
                {
                    tiles.Add(tile);
                }

                _pieces.Add(new Piece(tiles.Count - 1, i, done, start, length));
                done += length;
            }
        }

        ring.Read(tiles, AdamWParts.Masters, this, cancellation);
    }

    void ITileWork.OnTile(int index, TileId tile, byte* address)
    {
        AdamWStates states = AdamWParts.In(address, ring.Store.Geometry.Tile(tile));
        for (; _nextPiece < _pieces.Count && _pieces[_nextPiece].TileIndex == index; _nextPiece++)
        {
            Piece piece = _pieces[_nextPiece];
            for (int done = 0; done < piece.Count; done += ChunkElements)
            {
                Span<float> masters = _masters.AsSpan(0, Math.Min(ChunkElements, piece.Count - done));
                int start = piece.StartInTile + done;
                SplitMaster.Join(
                    new ReadOnlySpan<ushort>(states.WeightHigh + start, masters.Length), new ReadOnlySpan<short>(states.WeightLow + start, masters.Length), masters);
                _chunk!(piece.Range, piece.Offset + done, masters);
            }
        }
    }

    /// <param name="TileIndex">Place of its tile in the stream.</param>
    /// <param name="Range">Index of its range.</param>
    /// <param name="Offset">Its place in the range.</param>
    /// <param name="StartInTile">Its place in the tile.</param>
    /// <param name="Count">Elements.</param>
    private readonly record struct Piece(int TileIndex, int Range, long Offset, int StartInTile, int Count);
}
