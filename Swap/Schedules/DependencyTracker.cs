using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Offload.Swap.Schedules;

/// <summary>
/// Finds what each operation of a program waits for: whoever last wrote what it reads, and whoever still reads what it writes. The lanes
/// run in order, so that of several operations of one lane the last is enough, and of its own lane none. One thread.
/// </summary>
internal sealed class DependencyTracker
{
    // A row of a slot is one vector; there are seven lanes.
    private const int Row = 8;

    private readonly Lane[] _lanes;
    private readonly int[] _writer;

    /// <summary>For each slot the last operation of each lane that touched it since the last write, that write included.</summary>
    private readonly int[] _users;

    private DependencyTracker(Lane[] lanes, int numSlots)
    {
        _lanes = lanes;
        _writer = new int[numSlots];
        _users = new int[numSlots * Row];
        Array.Fill(_writer, Operation.None);
        Array.Fill(_users, Operation.None);
    }

    /// <summary>What each operation waits for, of its period or of the one before.</summary>
    /// <param name="lanes">Of each operation, in program order.</param>
    /// <param name="accesses">Of all of them.</param>
    /// <param name="accessStart">Where those of each begin; one more than there are operations.</param>
    /// <param name="numSlots">Slots of the schedule.</param>
    /// <returns>All, and where those of each operation begin.</returns>
    public static (Dependency[] All, int[] Start) Find(Lane[] lanes, ReadOnlySpan<SlotAccess> accesses, ReadOnlySpan<int> accessStart, int numSlots)
    {
        int count = lanes.Length;
        var tracker = new DependencyTracker(lanes, numSlots);
        var all = new PooledList<Dependency>();
        var start = new int[count + 1];

        // A period of which only the end matters: what the second finds is what a period waits for when one went before.
        for (int operation = 0; operation < count; operation++)
        {
            tracker.Note(operation, operation, accesses[accessStart[operation]..accessStart[operation + 1]]);
        }

        for (int operation = 0; operation < count; operation++)
        {
            ReadOnlySpan<SlotAccess> own = accesses[accessStart[operation]..accessStart[operation + 1]];
            tracker.List(operation, own, all);
            tracker.Note(operation, count + operation, own);
            start[operation + 1] = all.Count;
        }

        return (all.Take(), start);
    }

    /// <summary>Lists what an operation waits for.</summary>
    private void List(int operation, ReadOnlySpan<SlotAccess> accesses, PooledList<Dependency> found)
    {
        int count = _lanes.Length;
        Span<int> latest = stackalloc int[Row];
        latest.Fill(Operation.None);
        ref int first = ref MemoryMarshal.GetReference(latest);
        foreach (ref readonly SlotAccess access in accesses)
        {
            if ((access.Mode & AccessMode.Write) != 0)
            {
                Vector256<int> users = Vector256.LoadUnsafe(ref _users[access.Slot * Row]);
                Vector256.Max(users, Vector256.LoadUnsafe(ref first)).StoreUnsafe(ref first);
            }
            else if (_writer[access.Slot] is int writer and >= 0)
            {
                ref int other = ref latest[(int)_lanes[writer < count ? writer : writer - count]];
                other = Math.Max(other, writer);
            }
        }

        int own = (int)_lanes[operation];
        for (int lane = 0; lane < Row; lane++)
        {
            if (lane != own && latest[lane] is int other and >= 0)
            {
                bool isBefore = other < count;
                found.Add(new Dependency(isBefore ? other : other - count, isBefore));
            }
        }
    }

    /// <summary>Notes what an operation does to its slots, in program order.</summary>
    private void Note(int operation, int number, ReadOnlySpan<SlotAccess> accesses)
    {
        int lane = (int)_lanes[operation];
        foreach (ref readonly SlotAccess access in accesses)
        {
            if ((access.Mode & AccessMode.Write) != 0)
            {
                _writer[access.Slot] = number;
                Vector256.Create(Operation.None).StoreUnsafe(ref _users[access.Slot * Row]);
            }

            _users[(access.Slot * Row) + lane] = number;
        }
    }
}
