using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>Where the slots of one schedule are, found by what an operation does with them. Immutable; any thread.</summary>
/// <param name="schedule">The schedule.</param>
/// <param name="addresses">First byte of each slot; 0 on drives.</param>
/// <param name="scratchOffsets">First byte of each slot in the scratch file.</param>
internal sealed unsafe class SlotTable(StepSchedule schedule, nint[] addresses, long[] scratchOffsets)
{
    /// <summary>The schedule.</summary>
    public StepSchedule Schedule => schedule;

    /// <summary>By slot: what the operation that fills it leaves to the one that empties it: whether the states in it are new.</summary>
    public bool[] HasNewStates { get; } = new bool[addresses.Length];

    /// <summary>First byte of a slot; null if it is on drives.</summary>
    public byte* Address(int slot) => (byte*)addresses[slot];

    /// <summary>First byte of a slot in the scratch file.</summary>
    public long ScratchOffsetBytes(int slot) => scratchOffsets[slot];

    /// <summary>The slot in memory in which an operation has a value; -1: in none.</summary>
    /// <param name="operation">Index of the operation.</param>
    /// <param name="kind">The value.</param>
    /// <param name="unit">Its unit; -1: whichever.</param>
    public int SlotOf(int operation, ContentKind kind, int unit = -1)
    {
        foreach (SlotAccess access in schedule.AccessesOf(operation))
        {
            if (Content.KindOf(access.Content) == kind && (unit < 0 || Content.UnitOf(access.Content) == unit) && addresses[access.Slot] != 0)
            {
                return access.Slot;
            }
        }

        return -1;
    }

    /// <summary>Where an operation has a value; null: it has none of that kind.</summary>
    /// <inheritdoc cref="SlotOf"/>
    public byte* Find(int operation, ContentKind kind, int unit = -1)
    {
        int slot = SlotOf(operation, kind, unit);
        return slot < 0 ? null : (byte*)addresses[slot];
    }

    /// <summary>The slot that an operation reads, or writes, of a transfer that has one of each.</summary>
    /// <exception cref="InvalidOperationException">It has none.</exception>
    public int Only(int operation, AccessMode mode)
    {
        foreach (SlotAccess access in schedule.AccessesOf(operation))
        {
            if (access.Mode == mode)
            {
                return access.Slot;
            }
        }

        throw new InvalidOperationException($"operation {operation} ({schedule.Operations[operation].Kind}) has no slot to {mode}");
    }
}
