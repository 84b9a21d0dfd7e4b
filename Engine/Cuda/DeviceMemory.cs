using System.Globalization;
using Offload.Storage.Memory;

namespace Offload.Engine.Cuda;

/// <summary>
/// GPU memory, aligned to 256 bytes at least; what is in it at first is anything. Owned by whoever creates it; never freed by the garbage
/// collector. Freeing waits for the work that uses it.
/// </summary>
internal sealed unsafe class DeviceMemory : IDisposable
{
    private const double GiB = 1L << 30;

    private static long _outstandingBytes;

    private readonly CudaDevice _device;
    private readonly MemoryReservation? _reservation;
    private byte* _address;

    /// <param name="device">Made current on this thread.</param>
    /// <param name="sizeBytes">Size; zero is allowed.</param>
    /// <param name="name">What for, as messages name it: "GPU slots".</param>
    /// <param name="limit">What it is reserved from, or null.</param>
    /// <exception cref="MemoryLimitException">The limit or the GPU has no such room.</exception>
    /// <exception cref="CudaException">The driver refuses for another reason.</exception>
    public DeviceMemory(CudaDevice device, long sizeBytes, string name, MemoryLimit? limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        _device = device;
        SizeBytes = sizeBytes;
        device.MakeCurrent();
        _reservation = limit?.Reserve(sizeBytes, name);
        byte* address = null;
        int result = CudaDriver.cuMemAlloc_v2(&address, (nuint)Math.Max(sizeBytes, 1));
        if (result != 0)
        {
            _reservation?.Dispose();
            throw result == CudaDriver.OutOfMemory ? NoRoom(device, sizeBytes, name) : new CudaException("allocate GPU memory", result);
        }

        _address = address;
        Interlocked.Add(ref _outstandingBytes, sizeBytes);
    }

    /// <summary>Bytes of all that is not yet disposed.</summary>
    public static long OutstandingBytes => Interlocked.Read(ref _outstandingBytes);

    /// <summary>Size.</summary>
    public long SizeBytes { get; }

    /// <summary>First byte, on the GPU: the host may compute with it, not read it.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public byte* Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_address is null, this);
            return _address;
        }
    }

    /// <summary>Frees the memory; idempotent.</summary>
    public void Dispose()
    {
        if (_address is null)
        {
            return;
        }

        _device.MakeCurrent();
        int result = CudaDriver.cuMemFree_v2(_address);
        _address = null;
        Interlocked.Add(ref _outstandingBytes, -SizeBytes);
        _reservation?.Dispose();
        CudaDriver.CheckRelease(result, "free GPU memory");
    }

    private static MemoryLimitException NoRoom(CudaDevice device, long sizeBytes, string name)
    {
        (long freeBytes, long totalBytes) = device.Memory();
        return new MemoryLimitException(
            string.Create(CultureInfo.InvariantCulture, $"GPU {device.Ordinal}: {sizeBytes / GiB:F2} GiB for {name} do not fit: {freeBytes / GiB:F2} GiB of {totalBytes / GiB:F2} GiB are free"),
            "lower the GPU memory that this run may take, or end other programs on the GPU");
    }
}
