namespace Offload.Engine.Cuda;

/// <summary>surface</summary>
internal static class KernelCompiler
{
    /// <summary>.</summary>
    public static byte[] Compile(string source, string name, CudaDevice device, params string[] options) => throw new NotSupportedException();
}
