using System.Runtime.ExceptionServices;

namespace Offload.Storage.Devices;

/// <summary>A request whose caller waits for it. One thread at a time.</summary>
internal sealed unsafe class BlockingRequest : BlockRequest
{
    private readonly object _gate = new();
    private bool _isDone;
    private Exception? _error;

    /// <summary>Transfers and returns when all is done.</summary>
    /// <exception cref="StorageException">The device reported an error.</exception>
    public void Transfer(IBlockDevice device, BlockOperation operation, long offsetBytes, void* address, int sizeBytes)
    {
        _isDone = false;
        Prepare(operation, offsetBytes, (byte*)address, sizeBytes, IoPriority.Urgent);
        device.Submit(this);
        lock (_gate)
        {
            while (!_isDone)
            {
                Monitor.Wait(_gate);
            }
        }

        if (_error is not null)
        {
            ExceptionDispatchInfo.Throw(_error);
        }
    }

    protected override void OnCompleted(Exception? error)
    {
        lock (_gate)
        {
            _error = error;
            _isDone = true;
            Monitor.Pulse(_gate);
        }
    }
}
