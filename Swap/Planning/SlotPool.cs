using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// Slots of one size that values take turns in, while a schedule is being emitted: the one that was free longest comes first. A slot is made
/// when it is first needed, so that a schedule has none that it does not use.
/// </summary>
/// <param name="builder">Gets the slots.</param>
/// <param name="name">Of a slot, before its number.</param>
/// <param name="tier">Where they are.</param>
/// <param name="count">How many at most.</param>
/// <param name="sizeBytes">Of each.</param>
/// <param name="isPersistent">What is in them outlives the schedule.</param>
internal sealed class SlotPool(ScheduleBuilder builder, string name, Tier tier, int count, long sizeBytes, bool isPersistent)
{
    private readonly Queue<int> _free = [];
    private readonly Dictionary<long, int> _held = [];
    private int _numMade;

    /// <summary>Whether a slot can be taken.</summary>
    public bool HasFree => _numMade < count || _free.Count > 0;

    /// <summary>How many slots can be taken.</summary>
    public int NumFree => count - _numMade + _free.Count;

    /// <summary>Where a value is.</summary>
    public int this[long content] => _held[content];

    /// <summary>Takes a slot for a value that an operation is about to write.</summary>
    /// <exception cref="PlanInfeasibleException">None is free: the order of work needs more of them.</exception>
    public int Take(long content)
    {
        int slot;
        if (_numMade < count)
        {
            slot = builder.AddSlot($"{name}{_numMade}", tier, sizeBytes, isPersistent);
            _numMade++;
        }
        else if (!_free.TryDequeue(out slot))
        {
            throw new PlanInfeasibleException($"the plan has too few slots '{name.TrimEnd()}' for its order of work", "give it more of them");
        }

        _held.Add(content, slot);
        return slot;
    }

    /// <summary>Whether a value is in one.</summary>
    public bool Holds(long content) => _held.ContainsKey(content);

    /// <summary>Gives a value's slot to whoever comes next; operations added so far still find the value in it.</summary>
    public void Release(long content)
    {
        _held.Remove(content, out int slot);
        _free.Enqueue(slot);
    }
}
