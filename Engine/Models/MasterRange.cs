namespace Offload.Engine.Models;

/// <summary>A run of a unit's masters.</summary>
/// <param name="UnitIndex">The unit.</param>
/// <param name="Offset">First element within the unit.</param>
/// <param name="Count">Elements.</param>
internal readonly record struct MasterRange(int UnitIndex, long Offset, long Count);
