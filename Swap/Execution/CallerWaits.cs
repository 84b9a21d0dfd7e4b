namespace Offload.Swap.Execution;

/// <summary>Callers that sleep until so much is done. Belongs to the gate. Takes memory only while more callers wait than ever before.</summary>
internal sealed class CallerWaits
{
    private readonly List<CallerWait> _waiting = [];
    private readonly Stack<CallerWait> _idle = [];

    /// <summary>Adds a caller, which is to sleep on the signal of what is returned, outside the gate.</summary>
    /// <param name="lane">The lane whose operations count; none: whole periods of all lanes.</param>
    /// <param name="count">How many.</param>
    public CallerWait Add(int lane, long count)
    {
        CallerWait wait = _idle.TryPop(out CallerWait? idle) ? idle : new CallerWait();
        wait.Lane = lane;
        wait.Count = count;
        _waiting.Add(wait);
        return wait;
    }

    /// <summary>The caller has woken up.</summary>
    public void Return(CallerWait wait) => _idle.Push(wait);

    /// <summary>Wakes those whose wait is over.</summary>
    /// <param name="counts">What is done.</param>
    public void WakeDone(LaneCounts counts)
    {
        for (int i = _waiting.Count - 1; i >= 0; i--)
        {
            if (counts.IsDone(_waiting[i].Lane, _waiting[i].Count))
            {
                _waiting[i].Signal.Set();
                _waiting.RemoveAt(i);
            }
        }
    }

    /// <summary>Wakes all.</summary>
    public void WakeAll()
    {
        foreach (CallerWait caller in _waiting)
        {
            caller.Signal.Set();
        }

        _waiting.Clear();
    }
}
