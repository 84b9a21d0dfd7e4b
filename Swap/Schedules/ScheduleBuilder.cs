namespace Offload.Swap.Schedules;

/// <summary>Collects slots and operations in program order. One thread.</summary>
internal sealed class ScheduleBuilder
{
    private readonly List<Slot> _slots = [];
    private readonly List<Operation> _operations = [];
    private readonly List<SlotAccess> _accesses = [];
    private readonly List<int> _accessStart = [0];

    /// <summary>Adds a slot.</summary>
    /// <returns>Its index.</returns>
    public int AddSlot(string name, Tier tier, long sizeBytes, bool isPersistent = false)
    {
        _slots.Add(new Slot(name, tier, sizeBytes, isPersistent));
        return _slots.Count - 1;
    }

    /// <summary>Adds an operation after all before it.</summary>
    public void Add(in Operation operation, params ReadOnlySpan<SlotAccess> accesses)
    {
        _operations.Add(operation);
        _accesses.AddRange(accesses);
        _accessStart.Add(_accesses.Count);
    }

    /// <summary>The schedule of what was added.</summary>
    public StepSchedule Build() => new([.. _slots], [.. _operations], [.. _accesses], [.. _accessStart]);
}
