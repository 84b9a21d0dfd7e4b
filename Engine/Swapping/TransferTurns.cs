using System.Runtime.ExceptionServices;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Engine.Swapping;

/// <summary>
/// A few transfers that are used in turn, so that several tiles are in flight while one thread prepares and waits for them in order. One thread;
/// nothing is allocated per tile.
/// </summary>
internal sealed class TransferTurns
{
    private readonly StateStore _store;
    private readonly TileTransfer[] _transfers;
    private int _oldest;
    private int _numInFlight;

    /// <param name="store">Where from or to.</param>
    /// <param name="count">How many may be in flight.</param>
    public TransferTurns(StateStore store, int count)
    {
        _store = store;
        _transfers = [.. Enumerable.Range(0, count).Select(_ => new TileTransfer(store))];
    }

    /// <summary>Number of the transfer whose turn it is, from 0.</summary>
    public int NextIndex => (_oldest + _numInFlight) % _transfers.Length;

    /// <summary>The transfer whose turn it is: the caller prepares it for <see cref="Start()"/>. If all are in flight, waits for the oldest.</summary>
    /// <inheritdoc cref="TileTransfer.Wait"/>
    public TileTransfer Next(CancellationToken cancellation = default)
    {
        if (_numInFlight == _transfers.Length)
        {
            Settle(cancellation);
        }

        return _transfers[NextIndex];
    }

    /// <summary>Starts it.</summary>
    public void Start()
    {
        Start(_store, _transfers[NextIndex]);
        _numInFlight++;
    }

    /// <summary>Waits for the oldest in flight.</summary>
    /// <inheritdoc cref="TileTransfer.Wait"/>
    public void Settle(CancellationToken cancellation = default)
    {
        TileTransfer oldest = _transfers[_oldest];
        _oldest = (_oldest + 1) % _transfers.Length;
        _numInFlight--; // First: whatever comes of it, it is not waited for again.
        oldest.Wait(cancellation);
    }

    /// <summary>Waits for all in flight.</summary>
    /// <inheritdoc cref="TileTransfer.Wait"/>
    public void Drain(CancellationToken cancellation = default)
    {
        while (_numInFlight > 0)
        {
            Settle(cancellation);
        }
    }

    /// <summary>Waits for all in flight, whatever becomes of them: another error is on its way up, nobody needs the bytes.</summary>
    public void Abandon()
    {
        for (int index = 0; index < _numInFlight; index++)
        {
            _transfers[(_oldest + index) % _transfers.Length].Cancel();
        }

        while (_numInFlight > 0)
        {
            try
            {
                Settle();
            }
            catch (Exception error) when (error is OffloadException or OperationCanceledException)
            {
            }
        }
    }

    /// <summary>
    /// Starts a transfer. What the store refuses since another operation failed is that operation's error, whichever lane is the first to tell of it:
    /// after a write that failed it gives no reads.
    /// </summary>
    public static void Start(StateStore store, TileTransfer transfer)
    {
        try
        {
            store.Start(transfer);
        }
        catch (StorageException refused) when (refused.InnerException is OffloadException cause)
        {
            ExceptionDispatchInfo.Throw(cause);
        }
    }
}
