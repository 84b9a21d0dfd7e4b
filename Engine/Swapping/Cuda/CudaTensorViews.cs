using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// Tensors over slots and workspace for attention's kernels, made when an address is first met and kept: a run has a fixed number of slots. Owns the
/// handles, not the memory. One thread at a time.
/// </summary>
/// <param name="device">The GPU's number.</param>
/// <param name="type">Element type of compute.</param>
internal sealed unsafe class CudaTensorViews(int device, ComputeType type) : IDisposable
{
    private readonly ScalarType _type = type == ComputeType.Float32 ? ScalarType.Float32 : ScalarType.BFloat16;
    private readonly Dictionary<(nint Address, int NumHeads, long RowStride, BatchShape Shape), nint> _heads = [];
    private readonly Dictionary<(nint Address, BatchShape Shape, int NumDimensions), nint> _statistics = [];

    /// <summary>[sequences, heads, tokens, head size] of neighbouring heads in a packed matrix.</summary>
    /// <param name="first">First element of the first head.</param>
    /// <param name="numHeads">Heads.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="rowStride">Elements from one row of the matrix to the next.</param>
    /// <param name="shape">The micro-batch.</param>
    public nint Heads(void* first, int numHeads, int headSize, long rowStride, BatchShape shape)
    {
        (nint, int, long, BatchShape) key = ((nint)first, numHeads, rowStride, shape);
        if (!_heads.TryGetValue(key, out nint view))
        {
            view = CudaAten.View(
                first, _type, device, [shape.Sequences, numHeads, shape.Tokens, headSize], [shape.Tokens * rowStride, headSize, rowStride, 1]);
            _heads.Add(key, view);
        }

        return view;
    }

    /// <summary>fp32 [sequences, heads, tokens], with a last dimension of 1 if the kernel wants four.</summary>
    public nint LogSumExp(float* address, int numHeads, BatchShape shape, int numDimensions)
    {
        (nint, BatchShape, int) key = ((nint)address, shape, numDimensions);
        if (!_statistics.TryGetValue(key, out nint view))
        {
            view = CudaAten.View(
                address, ScalarType.Float32, device, ((ReadOnlySpan<long>)[shape.Sequences, numHeads, shape.Tokens, 1])[..numDimensions],
                ((ReadOnlySpan<long>)[(long)numHeads * shape.Tokens, shape.Tokens, 1, 1])[..numDimensions]);
            _statistics.Add(key, view);
        }

        return view;
    }

    public void Dispose()
    {
        foreach (nint view in _heads.Values.Concat(_statistics.Values))
        {
            CudaAten.Delete(view);
        }

        _heads.Clear();
        _statistics.Clear();
    }
}
