namespace Offload.Swap.Schedules;

/// <summary>
/// Finds what each operation of a program waits for: whoever last wrote what it reads, and whoever still reads what it writes. The lanes
/// run in order, so that of several operations of one lane the last is enough, and of its own lane none.
/// </summary>
internal sealed class DependencyTracker
{
    private static readonly int NumLanes = Enum.GetValues<Lane>().Length;

    private readonly int[] _writer;
    private readonly int[] _readers;
    private readonly int[] _latest = new int[NumLanes];

    /// <param name="numSlots">Slots of the schedule.</param>
    public DependencyTracker(int numSlots)
    {
        _writer = new int[numSlots];
        // For each slot the last reader of each lane since the last write.
        _readers = new int[numSlots * NumLanes];
        Array.Fill(_writer, Operation.None);
        Array.Fill(_readers, Operation.None);
    }

    /// <summary>Notes an operation, in program order, and lists what it waits for.</summary>
    /// <param name="index">Its number, ascending.</param>
    /// <param name="lane">Its lane.</param>
    /// <param name="accesses">Its slots.</param>
    /// <param name="laneOf">Lanes of earlier operations.</param>
    /// <param name="found">Receives the numbers.</param>
    public void Add(int index, Lane lane, ReadOnlySpan<SlotAccess> accesses, Func<int, Lane> laneOf, List<int> found)
    {
        Array.Fill(_latest, Operation.None);
        foreach (SlotAccess access in accesses)
        {
            int writer = _writer[access.Slot];
            if (writer != Operation.None)
            {
                ref int latest = ref _latest[(int)laneOf(writer)];
                latest = Math.Max(latest, writer);
            }

            if (access.Mode.HasFlag(AccessMode.Write))
            {
                for (int other = 0; other < NumLanes; other++)
                {
                    _latest[other] = Math.Max(_latest[other], _readers[(access.Slot * NumLanes) + other]);
                }
            }
        }

        foreach (SlotAccess access in accesses)
        {
            if (access.Mode.HasFlag(AccessMode.Write))
            {
                _writer[access.Slot] = index;
                Array.Fill(_readers, Operation.None, access.Slot * NumLanes, NumLanes);
            }
            else
            {
                _readers[(access.Slot * NumLanes) + (int)lane] = index;
            }
        }

        for (int other = 0; other < NumLanes; other++)
        {
            if (other != (int)lane && _latest[other] != Operation.None)
            {
                found.Add(_latest[other]);
            }
        }
    }
}
