namespace Offload.Storage.States;

/// <summary>For every tile: in which copy it lies, and the checksum of each of its parts there.</summary>
internal sealed class TileTable
{
    public TileTable(StoreGeometry geometry)
    {
        Copies = new byte[geometry.NumTiles];
        Hashes = new ulong[geometry.NumHashes];
    }

    /// <summary>By tile: 0 or 1.</summary>
    public byte[] Copies { get; }

    /// <summary>By tile, and within it by part.</summary>
    public ulong[] Hashes { get; }

    public void CopyTo(TileTable other)
    {
        Copies.CopyTo(other.Copies, 0);
        Hashes.CopyTo(other.Hashes, 0);
    }
}
