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
        FindOverBudget(schedule, budgetBytes) ?? FindAmbiguousName(schedule) ?? FindUnknownGuard(schedule) ?? FindWrongContent(schedule) ?? FindRace(schedule);

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

    /// <summary>
    /// Whether schedules of one plan, one after the other, find in persistent slots what the ones before have left, and count on nothing in the
    /// others; equal names must be equal slots.
    /// </summary>
    /// <param name="schedules">In the order in which they run, each one period long.</param>
    /// <returns>The first thing that is wrong; null if nothing is.</returns>
    public static string? FindProblemAcross(IReadOnlyList<StepSchedule> schedules)
    {
        bool[] guards = schedules.Any(HasGuards) ? [false, true] : [false];
        foreach (bool isRedone in guards)
        {
            var tracker = new ContentTracker();
            for (int i = 0; i < schedules.Count; i++)
            {
                string? problem = tracker.Play(schedules[i], [isRedone]);
                if (problem is not null)
                {
                    return $"schedule {i} of {schedules.Count}: {problem}";
                }
            }
        }

        return null;
    }

    /// <summary>An operation, for messages.</summary>
    internal static string Name(StepSchedule schedule, int operation)
    {
        Operation found = schedule.Operations[operation];
        return $"operation {operation} ({found.Kind}, unit {found.Unit}, micro-batch {found.MicroBatch}, tile {found.Tile})";
    }

    private static string? FindAmbiguousName(StepSchedule schedule)
    {
        string? twice = schedule.Slots.GroupBy(slot => slot.Name).FirstOrDefault(slots => slots.Count() > 1)?.Key;
        return twice is null ? null : $"two slots are called '{twice}'";
    }

    private static string? FindUnknownGuard(StepSchedule schedule)
    {
        for (int operation = 0; operation < schedule.Operations.Count; operation++)
        {
            if (schedule.OperationSpan[operation].Guard != Guard.None && !ReadsDecision(schedule.AccessesOf(operation)))
            {
                return $"{Name(schedule, operation)}: is guarded, but does not wait for the decision";
            }
        }

        return null;
    }

    private static bool ReadsDecision(ReadOnlySpan<SlotAccess> accesses)
    {
        foreach (SlotAccess access in accesses)
        {
            if (access.Mode.HasFlag(AccessMode.Read) && Content.KindOf(access.Content) == ContentKind.Decision)
            {
                return true;
            }
        }

        return false;
    }

    private static bool HasGuards(StepSchedule schedule) => schedule.Operations.Any(operation => operation.Guard != Guard.None);

    /// <summary>
    /// Follows what is in each slot over periods: in the first nobody knows what one before has left. What is guarded may be done in any of them:
    /// a slot holds what its last writer of this period left, or the last guarded one of an earlier period, so that three periods show all there is.
    /// </summary>
    private static string? FindWrongContent(StepSchedule schedule)
    {
        if (!HasGuards(schedule))
        {
            return new ContentTracker().Play(schedule, [false, false]);
        }

        for (int periods = 0; periods < 8; periods++)
        {
            string? problem = new ContentTracker().Play(schedule, [(periods & 1) != 0, (periods & 2) != 0, (periods & 4) != 0]);
            if (problem is not null)
            {
                return problem;
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
            int lane = (int)schedule.Lanes[operation];
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
                    int useLane = (int)schedule.Lanes[use % count];
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
}
