using Offload.Swap.Schedules;

namespace Offload.Swap.Checking;

/// <summary>
/// Proves a schedule: whatever the lanes' speeds, no slot is written while another operation reads or writes it, every operation finds in
/// its slots what it expects, and each tier's slots are within its budget. Stateless; any thread.
/// </summary>
public static class ScheduleChecker
{
    private static readonly int NumLanes = Enum.GetValues<Lane>().Length;

    /// <summary>The first thing that is wrong; null if nothing is.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="budgetBytes">What the slots of each tier may take together.</param>
    public static string? FindProblem(StepSchedule schedule, Func<Tier, long> budgetBytes) =>
        FindOverBudget(schedule, budgetBytes) ?? FindWrongContent(schedule) ?? FindRace(schedule);

    private static string? FindOverBudget(StepSchedule schedule, Func<Tier, long> budgetBytes)
    {
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            long slotBytes = schedule.SlotBytes(tier);
            if (slotBytes > budgetBytes(tier))
            {
                return $"{tier}: slots of {slotBytes} bytes, budget {budgetBytes(tier)}";
            }
        }

        return null;
    }

    /// <summary>Follows what is in each slot in program order, for two periods: in the first nobody knows what one before has left.</summary>
    private static string? FindWrongContent(StepSchedule schedule)
    {
        int count = schedule.Operations.Count;
        var content = new long?[schedule.Slots.Count];
        for (int index = 0; index < 2 * count; index++)
        {
            int operation = index % count;
            foreach (SlotAccess access in schedule.AccessesOf(operation))
            {
                long? found = content[access.Slot];
                if (access.Mode.HasFlag(AccessMode.Read) && found != access.Content && (found is not null || index >= count))
                {
                    return $"{Name(schedule, operation)}: expected {access.Content} in slot '{schedule.Slots[access.Slot].Name}', found {found?.ToString() ?? "nothing"}";
                }
            }

            foreach (SlotAccess access in schedule.AccessesOf(operation))
            {
                if (access.Mode.HasFlag(AccessMode.Write))
                {
                    content[access.Slot] = access.Content;
                }
            }
        }

        return null;
    }

    /// <summary>
    /// Vector clocks (Fidge 1988, Mattern 1989) over two periods: for each operation how many of each lane are done before it begins. Two that
    /// touch the same slot, one of them writing, must be ordered by them.
    /// </summary>
    private static string? FindRace(StepSchedule schedule)
    {
        int count = schedule.Operations.Count;
        var clocks = new int[2 * count * NumLanes];
        var position = new int[2 * count];
        var last = new int[NumLanes];
        var done = new int[NumLanes];
        Array.Fill(last, Operation.None);
        var uses = new List<(int Index, bool Writes)>[schedule.Slots.Count];
        for (int index = 0; index < 2 * count; index++)
        {
            int operation = index % count;
            int lane = (int)schedule.Operations[operation].Lane;
            Span<int> clock = clocks.AsSpan(index * NumLanes, NumLanes);
            Join(clock, last[lane]);
            foreach (Dependency dependency in schedule.DependenciesOf(operation))
            {
                int other = (index / count * count) + dependency.Operation - (dependency.IsFromPeriodBefore ? count : 0);
                if (other >= index)
                {
                    return $"{Name(schedule, operation)}: waits for {Name(schedule, dependency.Operation)}, which comes later";
                }

                Join(clock, other < 0 ? Operation.None : other);
            }

            foreach (SlotAccess access in schedule.AccessesOf(operation))
            {
                List<(int Index, bool Writes)> earlier = uses[access.Slot] ??= [];
                bool writes = access.Mode.HasFlag(AccessMode.Write);
                foreach ((int use, bool useWrites) in earlier)
                {
                    int useLane = (int)schedule.Operations[use % count].Lane;
                    if (use != index && (writes || useWrites) && clock[useLane] < position[use])
                    {
                        return $"slot '{schedule.Slots[access.Slot].Name}': {Name(schedule, operation)} may overlap {Name(schedule, use % count)}";
                    }
                }

                if (writes)
                {
                    // Ordered after all of them: what is ordered after this one is ordered after them too.
                    earlier.Clear();
                }

                earlier.Add((index, writes));
            }

            last[lane] = index;
            position[index] = ++done[lane];
            clock[lane] = done[lane];
        }

        return null;

        void Join(Span<int> clock, int other)
        {
            for (int lane = 0; other != Operation.None && lane < NumLanes; lane++)
            {
                clock[lane] = Math.Max(clock[lane], clocks[(other * NumLanes) + lane]);
            }
        }
    }

    private static string Name(StepSchedule schedule, int operation)
    {
        Operation found = schedule.Operations[operation];
        return $"operation {operation} ({found.Kind}, unit {found.Unit}, micro-batch {found.MicroBatch}, tile {found.Tile})";
    }
}
