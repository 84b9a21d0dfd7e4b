namespace Offload.Storage.Devices;

/// <summary>
/// One transfer between memory and a device. The object belongs to its caller, who may prepare and submit it again once it has completed: in
/// steady state nothing is allocated. From submission to completion the device alone may touch it, and the memory must stay.
/// </summary>
public abstract unsafe class BlockRequest : IWaiting<BlockRequest>
{
    /// <summary>Read or write.</summary>
    public BlockOperation Operation { get; private set; }

    /// <summary>First byte on the device.</summary>
    public long OffsetBytes { get; private set; }

    /// <summary>First byte in memory; borrowed.</summary>
    public byte* Address { get; private set; }

    /// <summary>Size.</summary>
    public int SizeBytes { get; private set; }

    /// <summary>Its place among those that wait.</summary>
    public IoPriority Priority { get; private set; }

    /// <summary>The next request in the list of whoever has the request now.</summary>
    internal BlockRequest? Next { get; set; }

    BlockRequest? IWaiting<BlockRequest>.Next
    {
        get => Next;
        set => Next = value;
    }

    /// <summary>A device that finds this true before it has begun completes the request with an <see cref="OperationCanceledException"/>.</summary>
    internal virtual bool IsCancelled => false;

    /// <summary>Says what to transfer.</summary>
    /// <param name="operation">Read or write.</param>
    /// <param name="offsetBytes">First byte on the device.</param>
    /// <param name="address">First byte in memory, aligned to the device's alignment; borrowed until the completion.</param>
    /// <param name="sizeBytes">Size, a multiple of the device's alignment, not zero.</param>
    /// <param name="priority">Place among those that wait.</param>
    public void Prepare(BlockOperation operation, long offsetBytes, byte* address, int sizeBytes, IoPriority priority)
    {
        Operation = operation;
        OffsetBytes = offsetBytes;
        Address = address;
        SizeBytes = sizeBytes;
        Priority = priority;
    }

    /// <summary>Called once a submission by the device, when it no longer touches the memory.</summary>
    /// <param name="error">Null: all bytes were transferred. A <see cref="StorageException"/>, or an <see cref="OperationCanceledException"/>.</param>
    internal void Complete(Exception? error)
    {
        Next = null;
        OnCompleted(error);
    }

    /// <summary>Told of the completion on a thread of the device, which waits: be short, do not block. May submit again.</summary>
    /// <param name="error">Null: all bytes were transferred.</param>
    protected abstract void OnCompleted(Exception? error);
}
