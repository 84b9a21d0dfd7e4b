using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Execution;

/// <summary>
/// Gives each slot real memory. An operation reads marks from its slots and leaves marks made of all that it has read, so that what the last
/// one leaves depends on every access of every one before. Finds two at one slot of which one writes.
/// </summary>
internal sealed class MarkHandler : IOperationHandler
{
    /// <summary>Words of a slot: more than a cache line, so that a torn copy shows.</summary>
    private const int SlotWords = 24;

    private readonly StepSchedule _schedule;
    private readonly ulong[][] _memory;
    private readonly int[] _users;
    private readonly int[] _counts;
    private readonly int _spin;

    /// <param name="schedule">What will be run.</param>
    /// <param name="numPeriods">How many periods of it.</param>
    /// <param name="spin">Longest time to dawdle inside an operation.</param>
    public MarkHandler(StepSchedule schedule, int numPeriods, int spin)
    {
        _schedule = schedule;
        _memory = [.. schedule.Slots.Select(_ => new ulong[SlotWords])];
        _users = new int[schedule.Slots.Count];
        _counts = new int[schedule.Operations.Count];
        _spin = spin;
        Seen = new ulong[schedule.Operations.Count * numPeriods];
    }

    /// <summary>A number made of all that an operation has found, for each of each period.</summary>
    public ulong[] Seen { get; }

    /// <summary>What is wrong; null: nothing.</summary>
    public string? Problem { get; private set; }

    /// <summary>What the operations find that run one by one.</summary>
    internal static ulong[] InProgramOrder(StepSchedule schedule, int numPeriods)
    {
        var handler = new MarkHandler(schedule, numPeriods, spin: 0);
        for (int i = 0; i < handler.Seen.Length; i++)
        {
            handler.Run(i % schedule.Operations.Count, i / schedule.Operations.Count, CancellationToken.None);
        }

        Assert.Null(handler.Problem);
        return handler.Seen;
    }

    public void Run(int operation, long period, CancellationToken cancellation)
    {
        if (_counts[operation]++ != period)
        {
            Problem = $"operation {operation}: period {period} comes as number {_counts[operation] - 1}";
        }

        ReadOnlySpan<SlotAccess> accesses = _schedule.AccessesOf(operation);
        ulong mark = Mix((ulong)operation, (ulong)period);
        foreach (SlotAccess access in accesses)
        {
            Enter(access, operation);
            if (access.Mode.HasFlag(AccessMode.Read))
            {
                mark = Mix(mark, Read(access.Slot, operation));
            }
        }

        Dawdle(mark);
        foreach (SlotAccess access in accesses)
        {
            if (access.Mode.HasFlag(AccessMode.Write))
            {
                Array.Fill(_memory[access.Slot], Mix(mark, (ulong)access.Slot));
            }
        }

        foreach (SlotAccess access in accesses)
        {
            Interlocked.Add(ref _users[access.Slot], access.Mode.HasFlag(AccessMode.Write) ? -1000 : -1);
        }

        Seen[(period * _schedule.Operations.Count) + operation] = mark;
    }

    private static ulong Mix(ulong first, ulong second) => System.Numerics.BitOperations.RotateLeft((first ^ (second + 0x9E3779B97F4A7C15)) * 0xD6E8FEB86659FD93, 29);

    private void Enter(SlotAccess access, int operation)
    {
        bool writes = access.Mode.HasFlag(AccessMode.Write);
        int users = Interlocked.Add(ref _users[access.Slot], writes ? 1000 : 1);

        // An operation may name a slot twice: to read one content of it and to write the next.
        int own = 0;
        foreach (SlotAccess other in _schedule.AccessesOf(operation))
        {
            own += other.Slot != access.Slot ? 0 : other.Mode.HasFlag(AccessMode.Write) ? 1000 : 1;
        }

        if (own < 1000 ? users >= 1000 : users > own)
        {
            Problem = $"operation {operation}: slot {access.Slot} is in use";
        }
    }

    private ulong Read(int slot, int operation)
    {
        ulong[] memory = _memory[slot];
        if (memory.AsSpan().ContainsAnyExcept(memory[0]))
        {
            Problem = $"operation {operation}: slot {slot} is torn";
        }

        return memory[0];
    }

    private void Dawdle(ulong mark)
    {
        int spin = _spin == 0 ? 0 : (int)(mark % (ulong)_spin);
        if (spin % 5 == 4)
        {
            Thread.Yield();
        }

        Thread.SpinWait(spin);
    }
}
