namespace Offload.Storage.States;

/// <summary>A part of a tile that cannot be read as it was written.</summary>
/// <param name="Unit">Name of the unit.</param>
/// <param name="Tile">The tile.</param>
/// <param name="Part">Name of the part.</param>
/// <param name="OffsetBytes">Where it begins on the store's device.</param>
/// <param name="SizeBytes">Its size there.</param>
/// <param name="Problem">One line: the checksums, or the device's error.</param>
public sealed record TileDamage(string Unit, TileId Tile, string Part, long OffsetBytes, int SizeBytes, string Problem)
{
    /// <summary>The device's error; null: it was read, but is not what was written.</summary>
    internal StorageException? DeviceError { get; init; }
}
