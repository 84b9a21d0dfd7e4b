namespace Offload.Engine.Cuda;

/// <summary>Compiled kernels on a GPU. Its functions are good until it is disposed. Any thread on which the device is current.</summary>
internal sealed unsafe class CudaModule : IDisposable
{
    private readonly CudaDevice _device;
    private nint _module;

    /// <param name="device">Made current on this thread.</param>
    /// <param name="cubin">From <see cref="KernelCompiler"/>.</param>
    /// <exception cref="CudaException">The driver does not take it.</exception>
    public CudaModule(CudaDevice device, byte[] cubin)
    {
        _device = device;
        device.MakeCurrent();
        nint module = 0;
        fixed (byte* image = cubin)
        {
            CudaDriver.Check(CudaDriver.cuModuleLoadData(&module, image), "load the compiled kernels");
        }

        _module = module;
    }

    /// <summary>A kernel by its name, which is as in the source if it is extern "C".</summary>
    /// <exception cref="CudaException">There is no such kernel.</exception>
    public CudaFunction Get(string name)
    {
        ObjectDisposedException.ThrowIf(_module == 0, this);
        nint function = 0;
        int result = CudaDriver.cuModuleGetFunction(&function, _module, name);
        if (result != 0)
        {
            throw new CudaException($"find the kernel {name}", result);
        }

        return new CudaFunction(function);
    }

    /// <summary>Unloads the kernels; idempotent.</summary>
    public void Dispose()
    {
        if (_module != 0)
        {
            _device.MakeCurrent();
            CudaDriver.CheckRelease(CudaDriver.cuModuleUnload(_module), "unload the compiled kernels");
            _module = 0;
        }
    }
}
