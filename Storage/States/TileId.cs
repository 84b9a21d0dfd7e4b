namespace Offload.Storage.States;

/// <summary>A tile: a run of one unit's parameters with all their states, the grain in which they stream.</summary>
/// <param name="Unit">Index of the unit.</param>
/// <param name="Tile">Index within the unit.</param>
public readonly record struct TileId(int Unit, int Tile);
