using System.Runtime.ExceptionServices;

namespace Offload.Storage.Devices;

/// <summary>A request whose caller waits for it. One thread at a time.</summary>
public sealed unsafe class BlockingRequest : BlockRequest
{
    private readonly object _gate = new();
    private bool _isDone;
    private Exception? _error;

    /// <summary>Transfers and returns when all is done.</summary>
    /// <param name="device">The device.</param>
    /// <param name="operation">Read or write.</param>
    /// <param name="offsetBytes">First byte on the device.</param>
    /// <param name="address">First byte in memory; borrowed during the call.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <exception cref="StorageException">The device reported an error.</exception>
    /// <exception cref="ArgumentException">The range is not aligned or not on the device.</exception>
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

    /// <inheritdoc/>
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
