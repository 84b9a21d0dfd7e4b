using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Schedules;

/// <summary>Schedules of random operations over random slots, each reading what program order has left there.</summary>
internal static class RandomSchedule
{
    private static readonly OperationKind[] Kinds =
        [OperationKind.Forward, OperationKind.LoadWeights, OperationKind.SaveGradients, OperationKind.ReadStates, OperationKind.WriteStates, OperationKind.UpdateStates];

    internal static StepSchedule Create(int seed)
    {
        var random = new Random(seed);
        var builder = new ScheduleBuilder();
        int numSlots = random.Next(1, 8);
        for (int i = 0; i < numSlots; i++)
        {
            builder.AddSlot($"slot {i}", (Tier)random.Next(3), random.Next(1, 100));
        }

        int count = random.Next(1, 60);
        var operations = new List<(Operation Operation, List<SlotAccess> Accesses)>();
        var content = new long[numSlots];
        var isWritten = new bool[numSlots];
        for (int round = 0; round < 2; round++)
        {
            // Twice: what the first operations of a period read, the last ones of the one before have left.
            var again = new Random(seed + 1);
            for (int i = 0; i < count; i++)
            {
                var accesses = new List<SlotAccess>();
                foreach (int slot in Enumerable.Range(0, numSlots).Where(_ => again.Next(3) == 0))
                {
                    AccessMode mode = (AccessMode)again.Next(1, 4);
                    content[slot] = mode == AccessMode.Write ? i : content[slot];
                    isWritten[slot] |= mode == AccessMode.Write;
                    accesses.Add(new SlotAccess(slot, mode, content[slot]));
                }

                var operation = new Operation { Kind = Kinds[again.Next(Kinds.Length)], Unit = i, MicroBatch = 0, Tile = 0, Amount = again.Next(1, 10) };
                if (round == 1)
                {
                    operations.Add((operation, accesses));
                }
            }

            // What nobody has written, nobody may read.
            Operation last = new() { Kind = OperationKind.Backward, Unit = count, MicroBatch = 0, Tile = 0, Amount = 1 };
            List<SlotAccess> unwritten = [.. Enumerable.Range(0, numSlots).Where(slot => !isWritten[slot]).Select(slot => new SlotAccess(slot, AccessMode.Write, 0))];
            if (round == 1)
            {
                operations.Add((last, unwritten));
            }
        }

        foreach ((Operation operation, List<SlotAccess> accesses) in operations)
        {
            builder.Add(operation, [.. accesses]);
        }

        return builder.Build();
    }
}
