namespace Offload.Engine.Cuda.Kernels;

/// <summary>Two forms of a kernel that do the same.</summary>
/// <param name="Aligned">Loads 16 bytes at once.</param>
/// <param name="Any">Takes any width and alignment.</param>
internal readonly record struct KernelVariants(CudaFunction Aligned, CudaFunction Any)
{
    /// <summary>Finds both: the second's name ends in "_any".</summary>
    public static KernelVariants Of(CudaModule module, string name) => new(module.Get(name), module.Get(name + "_any"));

    /// <summary>The form for what is given.</summary>
    public CudaFunction For(bool isAligned) => isAligned ? Aligned : Any;
}
