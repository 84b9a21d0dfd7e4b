namespace Offload.Storage.States;

/// <summary>Where a part lies in the memory of a tile.</summary>
/// <param name="OffsetBytes">First byte, from the tile's; a multiple of 4096.</param>
/// <param name="NumElements">Elements that mean something.</param>
/// <param name="SizeBytes">Their size.</param>
/// <param name="PaddedBytes">Size up to the next part: what is transferred and checked.</param>
public readonly record struct PartRange(int OffsetBytes, int NumElements, int SizeBytes, int PaddedBytes);
