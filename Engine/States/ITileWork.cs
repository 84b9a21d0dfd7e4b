using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>What is done to tiles that stream through memory.</summary>
internal unsafe interface ITileWork
{
    /// <summary>Called for each tile, in order, on the thread that streams.</summary>
    /// <param name="tile">The tile.</param>
    /// <param name="address">Its first byte, valid during the call.</param>
    void OnTile(TileId tile, byte* address);
}
