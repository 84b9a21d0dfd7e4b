namespace Offload.Storage.States;

/// <summary>
/// The thread that computes a store's checksums, so that neither a device's completion thread nor a caller does: one keeps up with 10 GB/s and
/// more. Transfers wait in a list made of themselves.
/// </summary>
internal sealed class ChecksumThread : IDisposable
{
    private readonly object _gate = new();
    private readonly Thread _thread;
    private TileTransfer? _first;
    private TileTransfer? _last;
    private bool _isStopping;

    public ChecksumThread()
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "offload checksums" };
        _thread.Start();
    }

    /// <summary>Has a transfer's checksums computed.</summary>
    public void Enqueue(TileTransfer transfer)
    {
        transfer.NextInQueue = null;
        lock (_gate)
        {
            if (_last is null)
            {
                _first = transfer;
                Monitor.Pulse(_gate);
            }
            else
            {
                _last.NextInQueue = transfer;
            }

            _last = transfer;
        }
    }

    /// <summary>Ends the thread once the list is empty.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isStopping = true;
            Monitor.Pulse(_gate);
        }

        _thread.Join();
    }

    private void Run()
    {
        while (Next() is { } transfer)
        {
            transfer.ComputeChecksums();
        }
    }

    private TileTransfer? Next()
    {
        lock (_gate)
        {
            while (_first is null && !_isStopping)
            {
                Monitor.Wait(_gate);
            }

            TileTransfer? transfer = _first;
            _first = transfer?.NextInQueue;
            if (_first is null)
            {
                _last = null;
            }

            return transfer;
        }
    }
}
