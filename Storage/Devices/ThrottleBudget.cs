namespace Offload.Storage.Devices;

/// <summary>
/// One server of a <see cref="ThrottledDevice"/>: does one transfer at a time. Times are sums of what transfers take, not of what the clock
/// showed when a thread got to it: a late thread makes a completion late, never the ones after it. Used under the device's lock.
/// </summary>
internal sealed class ThrottleBudget
{
    private readonly ThrottledTransfer?[] _heads = new ThrottledTransfer?[(int)IoPriority.Urgent + 1];
    private readonly ThrottledTransfer?[] _tails = new ThrottledTransfer?[(int)IoPriority.Urgent + 1];
    private double _carryNanoseconds;
    private int _numWaiting;

    /// <summary>When the last transfer begun so far ends.</summary>
    internal long FreeNanoseconds { get; private set; } = long.MinValue / 2;

    /// <summary>When the next transfer may begin; <see cref="long.MaxValue"/>: none waits.</summary>
    internal long NextStartNanoseconds => _numWaiting > 0 ? FreeNanoseconds : long.MaxValue;

    internal void Enqueue(ThrottledTransfer transfer)
    {
        int priority = (int)transfer.Priority;
        transfer.Next = null;
        if (_tails[priority] is { } tail)
        {
            tail.Next = transfer;
        }
        else
        {
            _heads[priority] = transfer;
        }

        _tails[priority] = transfer;
        _numWaiting++;
    }

    /// <summary>The one whose turn it is; one must wait.</summary>
    internal ThrottledTransfer Dequeue()
    {
        int priority = (int)IoPriority.Urgent;
        while (_heads[priority] is null)
        {
            priority--;
        }

        ThrottledTransfer transfer = _heads[priority]!;
        _heads[priority] = (ThrottledTransfer?)transfer.Next;
        if (_heads[priority] is null)
        {
            _tails[priority] = null;
        }

        transfer.Next = null;
        _numWaiting--;
        return transfer;
    }

    /// <summary>Begins a transfer.</summary>
    /// <param name="submittedNanoseconds">It does not begin before.</param>
    /// <param name="durationNanoseconds">How long it takes; fractions are carried to the next.</param>
    /// <returns>When it ends.</returns>
    internal long Begin(long submittedNanoseconds, double durationNanoseconds)
    {
        double exact = durationNanoseconds + _carryNanoseconds;
        long whole = (long)exact;
        _carryNanoseconds = exact - whole;
        FreeNanoseconds = Math.Max(FreeNanoseconds, submittedNanoseconds) + whole;
        return FreeNanoseconds;
    }
}
