namespace Offload.Swap.Schedules;

/// <summary>One slot that an operation touches.</summary>
/// <param name="Slot">Index of the slot in the schedule.</param>
/// <param name="Mode">What it does to it.</param>
/// <param name="Content">
/// What must be in the slot (read), or is in it from then on (write): a number that the builder gives to each value that moves, for example
/// "weights of unit 7". An update needs it and leaves it. The checker compares; who runs
/// an operation finds its slots by the kind of value.
/// </param>
public readonly record struct SlotAccess(int Slot, AccessMode Mode, long Content);
