namespace Offload.Engine.Cuda;

/// <summary>surface</summary>
internal sealed unsafe class CudaGemm : IDisposable
{
    /// <param name="device">.</param>
    /// <param name="stream">.</param>
    /// <param name="workspace">.</param>
    /// <param name="workspaceBytes">.</param>
    public CudaGemm(CudaDevice device, CudaStream stream, byte* workspace, long workspaceBytes)
    {
        _ = (device, stream, (nint)workspace, workspaceBytes);
    }

    /// <summary>.</summary>
    public void Multiply(in GemmShape shape, void* left, void* right, void* destination, void* bias = null, void* addend = null) => throw new NotSupportedException();

    /// <summary>.</summary>
    public void Dispose()
    {
    }
}
