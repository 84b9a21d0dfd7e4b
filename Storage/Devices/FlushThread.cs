namespace Offload.Storage.Devices;

/// <summary>Flushes one device while others are flushed by others. Used by one thread at a time.</summary>
internal sealed class FlushThread : IDisposable
{
    private readonly IBlockDevice _device;
    private readonly object _gate = new();
    private readonly Thread _thread;
    private bool _isAsked;
    private bool _isStopping;
    private Exception? _error;

    /// <param name="device">Borrowed.</param>
    internal FlushThread(IBlockDevice device)
    {
        _device = device;
        _thread = new Thread(Run) { Name = "offload-flush", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Begins a flush; <see cref="Finish"/> must follow.</summary>
    internal void Begin()
    {
        lock (_gate)
        {
            _isAsked = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits for the end of the flush.</summary>
    /// <returns>Its error; null: none.</returns>
    internal Exception? Finish()
    {
        lock (_gate)
        {
            while (_isAsked)
            {
                Monitor.Wait(_gate);
            }

            return _error;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isStopping = true;
            Monitor.PulseAll(_gate);
        }

        _thread.Join();
    }

    private void Run()
    {
        while (true)
        {
            lock (_gate)
            {
                while (!_isAsked && !_isStopping)
                {
                    Monitor.Wait(_gate);
                }

                if (!_isAsked)
                {
                    return;
                }
            }

            Exception? error = StripedDevice.TryFlush(_device);
            lock (_gate)
            {
                _error = error;
                _isAsked = false;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
