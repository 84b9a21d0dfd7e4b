using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Execution;

/// <summary>Schedules of a few operations.</summary>
internal static class Schedule
{
    /// <summary>Operations that do not touch each other's slots.</summary>
    internal static StepSchedule Independent(params OperationKind[] kinds)
    {
        var builder = new ScheduleBuilder();
        foreach (OperationKind kind in kinds)
        {
            builder.Add(Make(kind));
        }

        return builder.Build();
    }

    /// <summary>Operations that all write one slot.</summary>
    internal static StepSchedule Chain(params OperationKind[] kinds)
    {
        var builder = new ScheduleBuilder();
        int slot = builder.AddSlot("slot", Tier.Gpu, 1);
        for (int i = 0; i < kinds.Length; i++)
        {
            builder.Add(Make(kinds[i]), new SlotAccess(slot, AccessMode.Write, i));
        }

        return builder.Build();
    }

    private static Operation Make(OperationKind kind) => new() { Kind = kind, Unit = 0, MicroBatch = Operation.None, Tile = Operation.None, Amount = 1 };
}
