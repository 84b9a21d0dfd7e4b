using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning;

/// <summary>Counts updates in program order, and how many of them the weights have that compute reads.</summary>
internal static class WeightVersions
{
    /// <summary>The first forward or backward whose weights lack an update of a step before, or have one of its own; null if none.</summary>
    internal static string? FindStale(Workload work, StepSchedule schedule)
    {
        const int NumPeriods = 3;
        int numUnits = work.Units.Count;
        var updates = new int[numUnits];
        var stored = new int[numUnits];
        var inSlot = new int[schedule.Slots.Count];
        int[] perStep = [.. Enumerable.Range(0, numUnits).Select(unit => schedule.Operations.Count(operation => operation.Unit == unit && IsUpdate(operation)))];
        int[] delayed = [.. Enumerable.Range(0, numUnits).Select(unit => schedule.Operations.Count(operation => operation.Unit == unit && IsUpdate(operation) && operation.IsDelayed))];
        for (int period = 0; period < NumPeriods; period++)
        {
            for (int index = 0; index < schedule.Operations.Count; index++)
            {
                Operation operation = schedule.Operations[index];
                if (operation.Guard != Guard.None)
                {
                    continue;
                }

                if (IsUpdate(operation))
                {
                    updates[operation.Unit]++;
                }
                else if (operation.Kind == OperationKind.WriteStates)
                {
                    stored[operation.Unit]++;
                }

                int source = stored[Math.Max(0, operation.Unit)];
                foreach (SlotAccess access in schedule.AccessesOf(index))
                {
                    if (Content.KindOf(access.Content) != ContentKind.Weights)
                    {
                        continue;
                    }

                    int unit = Content.UnitOf(access.Content);
                    if (IsUpdate(operation))
                    {
                        inSlot[access.Slot] = updates[unit];
                    }
                    else if (operation.Kind == OperationKind.ReadWeights)
                    {
                        inSlot[access.Slot] = source;
                    }
                    else if (access.Mode == AccessMode.Read)
                    {
                        source = inSlot[access.Slot];
                    }
                    else
                    {
                        inSlot[access.Slot] = source;
                    }

                    // The first period has nothing delayed to do, but counts as if it had.
                    int expected = (period * perStep[unit]) + delayed[unit];
                    if (operation.Lane == Lane.Compute && !IsUpdate(operation) && inSlot[access.Slot] != expected)
                    {
                        return $"period {period}, operation {index} ({operation.Kind}, unit {unit}): weights have {inSlot[access.Slot]} updates, expected {expected}";
                    }
                }
            }
        }

        return null;
    }

    private static bool IsUpdate(Operation operation) =>
        operation.Guard == Guard.None && operation.Kind is OperationKind.UpdateStates or OperationKind.UpdateOnGpu;
}
