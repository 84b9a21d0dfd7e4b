using Offload.Engine.Interop;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>Gradients of queries, keys and values, each [sequences, tokens, heads, head size] without gaps; libtorch's memory goes back when this is disposed.</summary>
/// <param name="query">Of the queries.</param>
/// <param name="key">Of the keys.</param>
/// <param name="value">Of the values.</param>
/// <param name="queryTensor">Owner of memory, or 0.</param>
/// <param name="keyTensor">Owner of memory, or 0.</param>
/// <param name="valueTensor">Owner of memory, or 0.</param>
internal readonly unsafe struct CudaAttentionGradients(byte* query, byte* key, byte* value, nint queryTensor, nint keyTensor, nint valueTensor) : IDisposable
{
    /// <summary>Of the queries.</summary>
    public byte* Query { get; } = query;

    /// <summary>Of the keys.</summary>
    public byte* Key { get; } = key;

    /// <summary>Of the values.</summary>
    public byte* Value { get; } = value;

    /// <summary>Gives libtorch's memory back; what was issued to the stream may still use it.</summary>
    public void Dispose()
    {
        CudaAten.Delete(queryTensor);
        CudaAten.Delete(keyTensor);
        CudaAten.Delete(valueTensor);
    }
}
