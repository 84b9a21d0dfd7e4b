namespace Offload.Storage.States;

/// <summary>What a <see cref="TileReader"/> is to read.</summary>
/// <param name="Tile">The tile.</param>
/// <param name="Parts">Its parts that are wanted.</param>
public readonly record struct TileRead(TileId Tile, PartSet Parts);
