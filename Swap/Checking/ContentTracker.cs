using Offload.Swap.Schedules;

namespace Offload.Swap.Checking;

/// <summary>Follows what is in each slot in program order, over periods of several schedules of a plan. One thread.</summary>
internal sealed class ContentTracker
{
    private readonly Dictionary<string, Slot> _known = [];
    private readonly Dictionary<string, long> _persistent = [];
    private bool _hasPlayed;

    /// <summary>Plays a schedule for some periods, after those played before.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="redone">For each period, whether what is guarded is done.</param>
    /// <returns>The first thing that is wrong; null if nothing is.</returns>
    public string? Play(StepSchedule schedule, ReadOnlySpan<bool> redone)
    {
        bool isFirst = !_hasPlayed;
        _hasPlayed = true;
        var content = new long?[schedule.Slots.Count];

        // Nobody knows what was there before the first schedule, nor in persistent slots before the first use: import has filled them.
        var isUnknown = new bool[schedule.Slots.Count];
        for (int slot = 0; slot < content.Length; slot++)
        {
            Slot found = schedule.Slots[slot];
            if (_known.TryGetValue(found.Name, out Slot? known) && known != found)
            {
                return $"slot '{found.Name}' is {found} here and {known} in another schedule of the plan";
            }

            _known[found.Name] = found;
            bool isCarried = _persistent.TryGetValue(found.Name, out long carried);
            content[slot] = found.IsPersistent && isCarried ? carried : null;
            isUnknown[slot] = content[slot] is null && (isFirst || found.IsPersistent);
        }

        for (int period = 0; period < redone.Length; period++)
        {
            string? problem = PlayPeriod(schedule, redone[period], content, isUnknown);
            if (problem is not null)
            {
                return problem;
            }

            for (int slot = 0; slot < content.Length; slot++)
            {
                isUnknown[slot] &= schedule.Slots[slot].IsPersistent;
            }
        }

        for (int slot = 0; slot < content.Length; slot++)
        {
            if (schedule.Slots[slot].IsPersistent && content[slot] is long left)
            {
                _persistent[schedule.Slots[slot].Name] = left;
            }
        }

        return null;
    }

    private static string? PlayPeriod(StepSchedule schedule, bool isRedone, long?[] content, bool[] isUnknown)
    {
        for (int operation = 0; operation < schedule.Operations.Count; operation++)
        {
            if (schedule.OperationSpan[operation].Guard != Guard.None && !isRedone)
            {
                continue;
            }

            foreach (SlotAccess access in schedule.AccessesOf(operation))
            {
                long? found = content[access.Slot];
                if ((access.Mode & AccessMode.Read) != 0 && found != access.Content && !(found is null && isUnknown[access.Slot]))
                {
                    return $"{ScheduleChecker.Name(schedule, operation)}: expected {access.Content} in slot '{schedule.Slots[access.Slot].Name}', found {found?.ToString() ?? "nothing"}";
                }
            }

            foreach (SlotAccess access in schedule.AccessesOf(operation))
            {
                if (access.Mode.HasFlag(AccessMode.Write))
                {
                    content[access.Slot] = access.Content;
                }
                else if (content[access.Slot] is null && isUnknown[access.Slot] && schedule.Slots[access.Slot].IsPersistent)
                {
                    // What the first one takes for granted all after it find too.
                    content[access.Slot] = access.Content;
                }
            }
        }

        return null;
    }
}
