namespace Offload.Swap.Schedules;

/// <summary>Collects slots and operations in program order. One thread.</summary>
internal sealed class ScheduleBuilder
{
    private readonly List<Slot> _slots = [];
    private readonly PooledList<Operation> _operations = new();
    private readonly PooledList<SlotAccess> _accesses = new();
    private readonly PooledList<int> _accessStart = new();

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
        _accessStart.Add(_accesses.Count);
        _accesses.AddRange(accesses);
    }

    /// <summary>The schedule of what was added. The builder is done then.</summary>
    public StepSchedule Build()
    {
        _accessStart.Add(_accesses.Count);
        return new StepSchedule([.. _slots], _operations.Take(), _accesses.Take(), _accessStart.Take());
    }
}
