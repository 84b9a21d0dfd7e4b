namespace Offload.Engine.Cuda;

/// <summary>
/// A mark in a stream that other streams and the host can wait for, with its time. A waiting thread sleeps. It can be recorded again and again.
/// The device must be current on the calling thread; waiting is safe from any number of threads.
/// </summary>
internal sealed unsafe class CudaEvent : IDisposable
{
    private const double SecondsPerMillisecond = 1e-3;

    private readonly CudaDevice _device;
    private bool _isDisposed;

    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaEvent(CudaDevice device)
    {
        _device = device;
        device.MakeCurrent();
        nint created = 0;
        CudaDriver.Check(CudaDriver.cuEventCreate(&created, CudaDriver.EventBlockingSync), "make an event");
        Handle = created;
    }

    /// <summary>The driver's CUevent.</summary>
    public nint Handle { get; }

    /// <summary>Marks the end of what the stream was given so far.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void Record(CudaStream stream) => CudaDriver.Check(CudaDriver.cuEventRecord(Handle, stream.Handle), "record an event");

    /// <summary>Blocks until the stream has come to the mark; at once if it was never recorded.</summary>
    /// <exception cref="CudaException">Work on the GPU failed.</exception>
    public void Wait() => CudaDriver.Check(CudaDriver.cuEventSynchronize(Handle), "finish the work before an event");

    /// <summary>Whether the stream has come to the mark.</summary>
    /// <exception cref="CudaException">Work on the GPU failed.</exception>
    public bool IsDone()
    {
        int result = CudaDriver.cuEventQuery(Handle);
        if (result == CudaDriver.NotReady)
        {
            return false;
        }

        CudaDriver.Check(result, "finish the work before an event");
        return true;
    }

    /// <summary>Time between two marks that are both done, in seconds; about half a microsecond exact.</summary>
    /// <exception cref="CudaException">One of them was never recorded or is not done.</exception>
    public double SecondsSince(CudaEvent earlier)
    {
        float milliseconds = 0;
        CudaDriver.Check(CudaDriver.cuEventElapsedTime(&milliseconds, earlier.Handle, Handle), "read the time between two events");
        return milliseconds * SecondsPerMillisecond;
    }

    /// <summary>Gives the event back; idempotent.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _device.MakeCurrent();
            CudaDriver.CheckRelease(CudaDriver.cuEventDestroy_v2(Handle), "close an event");
        }
    }
}
