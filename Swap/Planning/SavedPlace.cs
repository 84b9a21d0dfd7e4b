namespace Offload.Swap.Planning;

/// <summary>Where a saved activation waits.</summary>
/// <param name="Slot">The slot.</param>
/// <param name="IsStaged">On the drives: it passes through CPU memory both ways.</param>
internal readonly record struct SavedPlace(int Slot, bool IsStaged);
