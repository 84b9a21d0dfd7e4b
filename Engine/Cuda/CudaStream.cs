namespace Offload.Engine.Cuda;

/// <summary>
/// Work of a GPU in order. Calls only issue it, on a thread on which the device is current; its errors come out where it is waited for, or at a
/// later call. One thread at a time.
/// </summary>
internal sealed unsafe class CudaStream : IDisposable
{
    private readonly CudaDevice _device;
    private readonly bool _isOwned;
    private bool _isDisposed;

    /// <summary>A stream that does not wait for the default stream, nor that for it.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaStream(CudaDevice device)
    {
        _device = device;
        _isOwned = true;
        device.MakeCurrent();
        nint stream = 0;
        CudaDriver.Check(CudaDriver.cuStreamCreate(&stream, CudaDriver.StreamNonBlocking), "make a stream");
        Handle = stream;
    }

    private CudaStream(CudaDevice device, nint handle)
    {
        _device = device;
        Handle = handle;
    }

    /// <summary>The driver's CUstream; 0 is the legacy default stream.</summary>
    public nint Handle { get; }

    /// <summary>The legacy default stream, which is libtorch's current stream as long as nobody gives it another.</summary>
    public static CudaStream Default(CudaDevice device) => new(device, 0);

    /// <summary>What is issued from now on starts after what the event marks; the host does not wait.</summary>
    /// <param name="marked">An event that was never recorded holds nothing up.</param>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void WaitFor(CudaEvent marked) => CudaDriver.Check(CudaDriver.cuStreamWaitEvent(Handle, marked.Handle, 0), "let a stream wait for an event");

    /// <summary>Blocks until all that was issued is done. For ends of runs and tests: the driver spins on a core; an event's wait does not.</summary>
    /// <exception cref="CudaException">Some of it failed.</exception>
    public void Synchronize() => CudaDriver.Check(CudaDriver.cuStreamSynchronize(Handle), "finish the work of a stream");

    /// <summary>
    /// Copies between GPU memory and pinned CPU memory, or within either. From or to memory that is not pinned the host waits, and the copy is slow.
    /// </summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void Copy(void* destination, void* source, long sizeBytes)
    {
        // The driver refuses a copy that runs over from one registered range into the next; PinnedMemory's end at fixed addresses.
        var to = (byte*)destination;
        var from = (byte*)source;
        while (sizeBytes > 0)
        {
            long piece = Math.Min(sizeBytes, Math.Min(PinnedMemory.ToPieceEnd(from), PinnedMemory.ToPieceEnd(to)));
            CudaDriver.Check(CudaDriver.cuMemcpyAsync(to, from, (nuint)piece, Handle), "copy memory");
            to += piece;
            from += piece;
            sizeBytes -= piece;
        }
    }

    /// <summary>Sets every byte of GPU memory to zero.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void Clear(void* destination, long sizeBytes)
    {
        if (sizeBytes > 0)
        {
            CudaDriver.Check(CudaDriver.cuMemsetD8Async(destination, 0, (nuint)sizeBytes, Handle), "clear memory");
        }
    }

    /// <summary>Closes the stream; what was issued still runs to its end. Idempotent.</summary>
    public void Dispose()
    {
        if (_isOwned && !_isDisposed)
        {
            _isDisposed = true;
            _device.MakeCurrent();
            CudaDriver.CheckRelease(CudaDriver.cuStreamDestroy_v2(Handle), "close a stream");
        }
    }
}
