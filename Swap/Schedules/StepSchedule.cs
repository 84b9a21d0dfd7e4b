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
    private readonly Operation[] _operations;
    private readonly Lane[] _lanes;
    private readonly SlotAccess[] _accesses;
    private readonly int[] _accessStart;
    private readonly Dependency[] _dependencies;
    private readonly int[] _dependencyStart;

    internal StepSchedule(IReadOnlyList<Slot> slots, Operation[] operations, SlotAccess[] accesses, int[] accessStart)
    {
        Slots = slots;
        _operations = operations;
        _lanes = new Lane[operations.Length];
        for (int operation = 0; operation < operations.Length; operation++)
        {
            _lanes[operation] = operations[operation].Lane;
        }

        _accesses = accesses;
        _accessStart = accessStart;
        (_dependencies, _dependencyStart) = DependencyTracker.Find(_lanes, accesses, accessStart, slots.Count);
    }

    /// <summary>All memory that the operations touch.</summary>
    public IReadOnlyList<Slot> Slots { get; }

    /// <summary>The operations in program order.</summary>
    public IReadOnlyList<Operation> Operations => _operations;

    /// <summary>The operations without a copy of each: they are large.</summary>
    public ReadOnlySpan<Operation> OperationSpan => _operations;

    /// <summary>The lane of each operation.</summary>
    public ReadOnlySpan<Lane> Lanes => _lanes;

    /// <summary>Slots that an operation touches.</summary>
    public ReadOnlySpan<SlotAccess> AccessesOf(int operation) => _accesses.AsSpan(_accessStart[operation].._accessStart[operation + 1]);

    /// <summary>What an operation waits for beside the one before it in its lane.</summary>
    public ReadOnlySpan<Dependency> DependenciesOf(int operation) => _dependencies.AsSpan(_dependencyStart[operation].._dependencyStart[operation + 1]);

    /// <summary>Bytes of all slots on a tier.</summary>
    public long SlotBytes(Tier tier) => Slots.Sum(slot => slot.Tier == tier ? slot.SizeBytes : 0);
}
