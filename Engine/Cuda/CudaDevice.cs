using System.Runtime.InteropServices;

namespace Offload.Engine.Cuda;

/// <summary>
/// A GPU and its primary context, the one that libtorch uses too: memory, streams and kernels of both see each other. Each thread calls
/// <see cref="MakeCurrent"/> once before it uses anything of the device. Dispose it after all that was made with it. Any thread.
/// </summary>
internal sealed unsafe class CudaDevice : IDisposable
{
    private const int MaxNameBytes = 256;

    private readonly int _device;
    private nint _context;

    private CudaDevice(int ordinal, int device, nint context)
    {
        Ordinal = ordinal;
        _device = device;
        _context = context;
        MakeCurrent();
        byte* name = stackalloc byte[MaxNameBytes];
        CudaDriver.Check(CudaDriver.cuDeviceGetName(name, MaxNameBytes, device), "read the GPU's name");
        Name = Marshal.PtrToStringUTF8((nint)name)!;
        CapabilityMajor = Attribute(CudaDriver.AttributeCapabilityMajor);
        CapabilityMinor = Attribute(CudaDriver.AttributeCapabilityMinor);
        NumMultiprocessors = Attribute(CudaDriver.AttributeMultiprocessorCount);
    }

    /// <summary>Its number among the GPUs that CUDA_VISIBLE_DEVICES leaves, as libtorch counts them.</summary>
    public int Ordinal { get; }

    /// <summary>As the driver names it: "NVIDIA H100 80GB HBM3".</summary>
    public string Name { get; }

    /// <summary>Compute capability before the point: 9 for an H100.</summary>
    public int CapabilityMajor { get; }

    /// <summary>Compute capability after the point.</summary>
    public int CapabilityMinor { get; }

    /// <summary>Number of streaming multiprocessors.</summary>
    public int NumMultiprocessors { get; }

    /// <summary>Opens a GPU and makes it current on this thread.</summary>
    /// <param name="ordinal">From 0.</param>
    /// <exception cref="CudaException">There is no driver or no such GPU.</exception>
    public static CudaDevice Open(int ordinal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        CudaDriver.Load();
        int count = 0;
        CudaDriver.Check(CudaDriver.cuDeviceGetCount(&count), "count the GPUs");
        if (ordinal >= count)
        {
            throw new CudaException(
                $"use GPU {ordinal}", count == 0 ? "the driver shows no GPU" : $"the driver shows {count}, numbered from 0",
                "'nvidia-smi -L' lists them, and CUDA_VISIBLE_DEVICES may hide some");
        }

        int device = 0;
        CudaDriver.Check(CudaDriver.cuDeviceGet(&device, ordinal), "open the GPU");
        nint context = 0;
        CudaDriver.Check(CudaDriver.cuDevicePrimaryCtxRetain(&context, device), "open the GPU's primary context");
        try
        {
            return new CudaDevice(ordinal, device, context);
        }
        catch (CudaException)
        {
            CudaDriver.CheckRelease(CudaDriver.cuDevicePrimaryCtxRelease_v2(device), "close the GPU's primary context");
            throw;
        }
    }

    /// <summary>Makes its context the calling thread's.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public void MakeCurrent()
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        CudaDriver.Check(CudaDriver.cuCtxSetCurrent(_context), "make the GPU current");
    }

    /// <summary>The GPU's memory now: of all programs together.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public (long FreeBytes, long TotalBytes) Memory()
    {
        MakeCurrent();
        nuint free = 0;
        nuint total = 0;
        CudaDriver.Check(CudaDriver.cuMemGetInfo_v2(&free, &total), "read how much GPU memory is free");
        return ((long)free, (long)total);
    }

    /// <summary>Blocks until all work of the context is done, libtorch's too.</summary>
    /// <exception cref="CudaException">Some of it failed.</exception>
    public void Synchronize()
    {
        MakeCurrent();
        CudaDriver.Check(CudaDriver.cuCtxSynchronize(), "finish the work on the GPU");
    }

    /// <summary>Gives the context back: it ends with its last user, which may be libtorch. Idempotent.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _context, 0) != 0)
        {
            CudaDriver.CheckRelease(CudaDriver.cuDevicePrimaryCtxRelease_v2(_device), "close the GPU's primary context");
        }
    }

    private int Attribute(int attribute)
    {
        int value = 0;
        CudaDriver.Check(CudaDriver.cuDeviceGetAttribute(&value, attribute, _device), "read the GPU's properties");
        return value;
    }
}
