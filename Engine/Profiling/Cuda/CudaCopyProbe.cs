using Offload.Engine.Cuda;
using Offload.Storage.Memory;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>Rates of copies between pinned CPU memory and a GPU, one way and both. One thread, on which the device is current.</summary>
internal sealed unsafe class CudaCopyProbe : IDisposable
{
    /// <summary>Size of a copy: where the bus's rate no longer grows with it.</summary>
    private const long BlockBytes = 64L << 20;

    /// <summary>Different blocks each way: far beyond a processor's cache.</summary>
    private const int NumBlocks = 8;

    /// <summary>Copies of a sample, issued at once: 20 ms at 50 GB/s.</summary>
    private const int NumCopies = 16;

    private readonly List<IDisposable> _owned = [];
    private readonly CudaStream _toGpu;
    private readonly CudaStream _fromGpu;
    private readonly CudaTimer _toGpuTimer;
    private readonly CudaTimer _fromGpuTimer;
    private readonly CudaEvent _start;
    private readonly CudaEvent _toGpuEnd;
    private readonly CudaEvent _fromGpuEnd;
    private readonly byte* _hostSource;
    private readonly byte* _hostDestination;
    private readonly byte* _gpuSource;
    private readonly byte* _gpuDestination;

    /// <param name="device">The GPU; borrowed.</param>
    /// <exception cref="MemoryLimitException">There is no room.</exception>
    /// <exception cref="CudaException">The driver refuses, or so much cannot be pinned.</exception>
    public CudaCopyProbe(CudaDevice device)
    {
        try
        {
            // In this order: what is pinned is let go before it is freed.
            var host = Own(new MemoryRegion(2 * NumBlocks * BlockBytes, "the measurement"));
            _ = Own(new PinnedMemory(device, host.Address, host.SizeBytes));
            var gpu = Own(new DeviceMemory(device, 2 * NumBlocks * BlockBytes, "the measurement", limit: null));
            _hostSource = host.Address;
            _hostDestination = host.Address + (NumBlocks * BlockBytes);
            _gpuDestination = gpu.Address;
            _gpuSource = gpu.Address + (NumBlocks * BlockBytes);
            _toGpu = Own(new CudaStream(device));
            _fromGpu = Own(new CudaStream(device));
            _toGpuTimer = Own(new CudaTimer(device, _toGpu));
            _fromGpuTimer = Own(new CudaTimer(device, _fromGpu));
            _start = Own(new CudaEvent(device));
            _toGpuEnd = Own(new CudaEvent(device));
            _fromGpuEnd = Own(new CudaEvent(device));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>One way, nothing the other.</summary>
    /// <param name="meter">Takes samples.</param>
    /// <param name="name">Of the profile's number.</param>
    /// <param name="isBack">From the GPU.</param>
    public MeasuredRate Copy(RateMeter meter, string name, bool isBack) => meter.MeasureSeconds(
        name, "GB/s", NumCopies * BlockBytes / 1e9, $"{(isBack ? "to" : "from")} pinned memory, {NumCopies} blocks of {BlockBytes >> 20} MiB",
        () => isBack ? _fromGpuTimer.Seconds(FromGpu) : _toGpuTimer.Seconds(ToGpu));

    /// <summary>Both ways at once; the rate is each way's, by the one that ends last.</summary>
    /// <param name="meter">Takes samples.</param>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate CopyBothWays(RateMeter meter, string name) => meter.MeasureSeconds(
        name, "GB/s", NumCopies * BlockBytes / 1e9, $"from and to pinned memory at once, {NumCopies} blocks of {BlockBytes >> 20} MiB each way", BothWays);

    /// <summary>Frees everything; idempotent. Copies that were issued are waited for.</summary>
    public void Dispose()
    {
        _toGpu?.Synchronize();
        _fromGpu?.Synchronize();
        for (int i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }

        _owned.Clear();
    }

    private double BothWays()
    {
        _start.Record(_toGpu);
        _fromGpu.WaitFor(_start);
        for (int copy = 0; copy < NumCopies; copy++)
        {
            ToGpu(copy);
            FromGpu(copy);
        }

        _toGpuEnd.Record(_toGpu);
        _fromGpuEnd.Record(_fromGpu);
        _toGpuEnd.Wait();
        _fromGpuEnd.Wait();
        return Math.Max(_toGpuEnd.SecondsSince(_start), _fromGpuEnd.SecondsSince(_start));
    }

    private void ToGpu()
    {
        for (int copy = 0; copy < NumCopies; copy++)
        {
            ToGpu(copy);
        }
    }

    private void FromGpu()
    {
        for (int copy = 0; copy < NumCopies; copy++)
        {
            FromGpu(copy);
        }
    }

    private void ToGpu(int copy) => _toGpu.Copy(_gpuDestination + OffsetOf(copy), _hostSource + OffsetOf(copy), BlockBytes);

    private void FromGpu(int copy) => _fromGpu.Copy(_hostDestination + OffsetOf(copy), _gpuSource + OffsetOf(copy), BlockBytes);

    private static long OffsetOf(int copy) => copy % NumBlocks * BlockBytes;

    private T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Add(part);
        return part;
    }
}
