namespace Offload.Storage.Devices;

/// <summary>
/// A fixed number of bytes at offsets, read and written asynchronously in aligned blocks. Any thread may submit and flush. Disposing waits for
/// what is in flight.
/// </summary>
public interface IBlockDevice : IDisposable
{
    /// <summary>Names the device in messages: its file.</summary>
    string Path { get; }

    /// <summary>Size.</summary>
    long SizeBytes { get; }

    /// <summary>A power of two, at most 4096: offsets, sizes and addresses of requests are multiples of it.</summary>
    int AlignmentBytes { get; }

    /// <summary>What was transferred so far.</summary>
    DeviceTraffic Traffic { get; }

    /// <summary>
    /// Starts a transfer and returns at once; the request's completion comes on a thread of the device, or on this one before the call
    /// returns. More may be submitted than the device works on at a time: the rest waits, by <see cref="BlockRequest.Priority"/>. Nothing is
    /// allocated.
    /// </summary>
    /// <param name="request">Prepared, and not in use elsewhere.</param>
    /// <exception cref="ArgumentException">The range is not aligned or not on the device.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    void Submit(BlockRequest request);

    /// <summary>
    /// Has the system pin memory once, instead of at every transfer to or from it: less processor time, nothing else. An arena of slots is what
    /// it is for.
    /// </summary>
    /// <param name="address">First byte, aligned to a page.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <returns>
    /// What ends it: dispose it before the memory is freed. Null: the device cannot, or the limit on locked memory is too low (8 MiB for
    /// ordinary users).
    /// </returns>
    unsafe IDisposable? TryRegister(void* address, long sizeBytes) => null;

    /// <summary>Makes every write durable that completed before the call. Blocks.</summary>
    /// <exception cref="StorageException">It failed: nothing written since the last successful flush may be counted on, and a second try would prove nothing.</exception>
    void Flush();
}
