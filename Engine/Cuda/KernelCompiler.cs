namespace Offload.Engine.Cuda;

/// <summary>
/// Compiles kernels at the start of a program, for the very GPU that is there: no toolkit is needed, nor kernels made ahead for all GPUs. What is
/// compiled is kept in the user's cache folder. Any thread.
/// </summary>
internal static class KernelCompiler
{
    /// <summary>Compiles a source, or takes what was compiled from the same before.</summary>
    /// <param name="source">CUDA C++17 that includes nothing.</param>
    /// <param name="name">As messages call it: "kernels.cu".</param>
    /// <param name="device">The GPU; its architecture is the target.</param>
    /// <param name="options">Further options: "-DIS_BFLOAT16=1".</param>
    /// <returns>A cubin, for <see cref="CudaModule"/>.</returns>
    /// <exception cref="CudaException">There is no NVRTC, or the source does not compile.</exception>
    public static byte[] Compile(string source, string name, CudaDevice device, params string[] options)
    {
        Nvrtc compiler = Nvrtc.Instance;
        string[] all = [$"--gpu-architecture=sm_{device.CapabilityMajor}{device.CapabilityMinor}", "--std=c++17", .. options];
        var cache = new KernelCache(KernelCache.DefaultFolder());
        string key = KernelCache.Key(source, all, compiler.Version);
        if (cache.TryRead(key) is { } kept)
        {
            return kept;
        }

        byte[] cubin = compiler.Compile(source, name, all);
        cache.TryWrite(key, cubin);
        return cubin;
    }
}
