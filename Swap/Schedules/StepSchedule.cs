namespace Offload.Swap.Schedules;

/// <summary>
/// One period of training in its steady state, as a value: operations in program order, the slots they touch, what they wait for. The
/// executor runs it, the simulator plays it, the checker proves it, the renderer draws it; nothing else knows the order of things.
/// Immutable; any thread.
/// </summary>
/// <remarks>
/// Within a lane, operations run in program order. What they wait for in other lanes follows from the slots: a read waits for the last
/// write, a write for the last write and the reads since. The same holds from one period to the next.
/// </remarks>
public sealed class StepSchedule
{
    private readonly SlotAccess[] _accesses;
    private readonly int[] _accessStart;
    private readonly Dependency[] _dependencies;
    private readonly int[] _dependencyStart;

    internal StepSchedule(IReadOnlyList<Slot> slots, Operation[] operations, SlotAccess[] accesses, int[] accessStart)
    {
        Slots = slots;
        Operations = operations;
        _accesses = accesses;
        _accessStart = accessStart;
        (_dependencies, _dependencyStart) = FindDependencies();
    }

    /// <summary>All memory that the operations touch.</summary>
    public IReadOnlyList<Slot> Slots { get; }

    /// <summary>The operations in program order.</summary>
    public IReadOnlyList<Operation> Operations { get; }

    /// <summary>Slots that an operation touches.</summary>
    public ReadOnlySpan<SlotAccess> AccessesOf(int operation) => _accesses.AsSpan(_accessStart[operation].._accessStart[operation + 1]);

    /// <summary>What an operation waits for beside the one before it in its lane.</summary>
    public ReadOnlySpan<Dependency> DependenciesOf(int operation) => _dependencies.AsSpan(_dependencyStart[operation].._dependencyStart[operation + 1]);

    /// <summary>Bytes of all slots on a tier.</summary>
    public long SlotBytes(Tier tier) => Slots.Sum(slot => slot.Tier == tier ? slot.SizeBytes : 0);

    private (Dependency[] All, int[] Start) FindDependencies()
    {
        int count = Operations.Count;
        var tracker = new DependencyTracker(Slots.Count);
        var all = new List<Dependency>();
        var start = new int[count + 1];
        var found = new List<int>();
        Lane LaneOf(int index) => Operations[index % count].Lane;

        // The first round only fills the tracker: what the second finds is what a period waits for when one went before.
        for (int index = 0; index < 2 * count; index++)
        {
            int operation = index % count;
            found.Clear();
            tracker.Add(index, Operations[operation].Lane, AccessesOf(operation), LaneOf, found);
            if (index >= count)
            {
                foreach (int other in found)
                {
                    all.Add(new Dependency(other % count, IsFromPeriodBefore: other < count));
                }

                start[operation + 1] = all.Count;
            }
        }

        return ([.. all], start);
    }
}
