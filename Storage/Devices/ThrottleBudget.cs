namespace Offload.Storage.Devices;

/// <summary>
/// One server of a <see cref="ThrottledDevice"/>: does one transfer at a time. Times are sums of what transfers take, not of what the clock
/// showed when a thread got to it: a late thread makes a completion late, never the ones after it. Used under the device's lock.
/// </summary>
internal sealed class ThrottleBudget
{
    private readonly WaitingQueue<BlockRequest> _waiting = new();
    private double _carryNanoseconds;

    /// <summary>When the last transfer begun so far ends.</summary>
    internal long FreeNanoseconds { get; private set; } = long.MinValue / 2;

    /// <summary>When the next transfer may begin; <see cref="long.MaxValue"/>: none waits.</summary>
    internal long NextStartNanoseconds => _waiting.IsEmpty ? long.MaxValue : FreeNanoseconds;

    internal void Enqueue(ThrottledTransfer transfer) => _waiting.Add(transfer);

    /// <summary>The one whose turn it is; one must wait.</summary>
    internal ThrottledTransfer Dequeue() => _waiting.TryTake(out BlockRequest? transfer)
        ? (ThrottledTransfer)transfer
        : throw new InvalidOperationException("no transfer waits");

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
