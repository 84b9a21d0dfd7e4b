using Offload.Engine.Interop;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>What attention's forward left for the backward: in slots, or in memory of libtorch's, which goes back when this is disposed.</summary>
/// <param name="output">[rows, heads * head size].</param>
/// <param name="logSumExp">fp32, as the kernel makes it.</param>
/// <param name="outputTensor">The output as the kernel takes it; 0 if it must be padded first.</param>
/// <param name="logSumExpTensor">As the kernel takes it.</param>
/// <param name="isOwned">The handles are freed.</param>
internal readonly unsafe struct CudaAttentionResult(byte* output, float* logSumExp, nint outputTensor, nint logSumExpTensor, bool isOwned) : IDisposable
{
    /// <summary>[rows, heads * head size].</summary>
    public byte* Output { get; } = output;

    /// <summary>fp32 [sequences, heads, tokens], if the kernel keeps it so.</summary>
    public float* LogSumExp { get; } = logSumExp;

    /// <summary>The output as the kernel takes it; 0 if it must be padded first.</summary>
    public nint OutputTensor { get; } = outputTensor;

    /// <summary>As the kernel takes it.</summary>
    public nint LogSumExpTensor { get; } = logSumExpTensor;

    /// <summary>Gives libtorch's memory back; what was issued to the stream may still use it.</summary>
    public void Dispose()
    {
        if (isOwned)
        {
            CudaAten.Delete(OutputTensor);
            CudaAten.Delete(LogSumExpTensor);
        }
    }
}
