namespace Offload.Swap.Planning;

/// <summary>What the step before has left to be updated, in the order of the units: emitted as far as the forward needs it, and somewhat ahead. One thread.</summary>
internal sealed class DelayedQueue
{
    private readonly UpdateEmitter _updates;
    private readonly int[] _end;
    private int _unit;
    private int _done;

    public DelayedQueue(UpdateEmitter updates, DelayedTiles delayed, int numUnits)
    {
        _updates = updates;
        _end = new int[numUnits];
        for (int unit = 0; unit < numUnits; unit++)
        {
            _end[unit] = (unit > 0 ? _end[unit - 1] : 0) + delayed.TilesOf(unit, UpdateTurn.OfStepBefore).Length;
        }
    }

    /// <summary>How many tiles there are of all units up to this one; of units that there are not, all.</summary>
    public int EndOf(int unit) => _end[Math.Min(unit, _end.Length - 1)];

    /// <summary>Whether none is left.</summary>
    public bool IsDone => _done == _end[^1];

    /// <summary>Emits tiles until so many are done, or all.</summary>
    public void AdvanceTo(int numTiles)
    {
        while (_done < Math.Min(numTiles, _end[^1]))
        {
            while (_done == _end[_unit])
            {
                _unit++;
            }

            int first = _unit > 0 ? _end[_unit - 1] : 0;
            _updates.Range(_unit, UpdateTurn.OfStepBefore, _done - first, _done - first + 1, isBeforeForward: true);
            _done++;
        }
    }
}
