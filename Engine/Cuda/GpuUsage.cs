using System.Runtime.InteropServices;

namespace Offload.Engine.Cuda;

/// <summary>
/// GPU memory that this process has taken since <see cref="Begin"/>, as the driver counts it for the whole GPU: context, kernels, libtorch's own
/// and ours. What others take meanwhile counts too. Through NVML, which needs no context, so that the context itself is counted; where there is no
/// NVML, what the context takes is not. Any thread.
/// </summary>
internal sealed unsafe partial class GpuUsage
{
    private const string Library = "libnvidia-ml.so.1";
    private const int MaxBusIdBytes = 32;

    private readonly nint _device;
    private readonly ulong _usedBefore;
    private long _peakBytes;

    private GpuUsage(nint device, ulong usedBefore) => (_device, _usedBefore) = (device, usedBefore);

    /// <summary>Most bytes that <see cref="Sample"/> has seen.</summary>
    public long PeakBytes => Interlocked.Read(ref _peakBytes);

    /// <summary>Begins to count. Before the GPU's context is made.</summary>
    /// <param name="ordinal">The GPU, as CUDA counts.</param>
    /// <returns>Null: there is no NVML, or it does not know the GPU.</returns>
    public static GpuUsage? Begin(int ordinal)
    {
        if (!NativeLibrary.TryLoad(Library, out _) || nvmlInit_v2() != 0)
        {
            return null;
        }

        CudaDriver.Load();
        int device = 0;
        byte* busId = stackalloc byte[MaxBusIdBytes];
        nint handle = 0;
        return CudaDriver.cuDeviceGet(&device, ordinal) == 0
            && CudaDriver.cuDeviceGetPCIBusId(busId, MaxBusIdBytes, device) == 0
            && nvmlDeviceGetHandleByPciBusId_v2(busId, &handle) == 0
            && TryRead(handle, out ulong used)
            ? new GpuUsage(handle, used)
            : null;
    }

    /// <summary>Bytes taken now.</summary>
    public long Sample()
    {
        long bytes = TryRead(_device, out ulong used) ? Math.Max(0, (long)(used - _usedBefore)) : 0;
        for (long peak = PeakBytes; bytes > peak; peak = PeakBytes)
        {
            _ = Interlocked.CompareExchange(ref _peakBytes, bytes, peak);
        }

        return bytes;
    }

    private static bool TryRead(nint device, out ulong usedBytes)
    {
        // nvmlMemory_t: total, free, used.
        ulong* memory = stackalloc ulong[3];
        bool isRead = nvmlDeviceGetMemoryInfo(device, memory) == 0;
        usedBytes = isRead ? memory[2] : 0;
        return isRead;
    }

    [LibraryImport(Library)]
    private static partial int nvmlInit_v2();

    [LibraryImport(Library)]
    private static partial int nvmlDeviceGetHandleByPciBusId_v2(byte* busId, nint* device);

    [LibraryImport(Library)]
    private static partial int nvmlDeviceGetMemoryInfo(nint device, ulong* memory);
}
