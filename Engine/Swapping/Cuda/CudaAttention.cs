using Offload.Engine.Compute;
using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Interop;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// Causal attention over the packed projections [rows, (heads + 2 key/value heads) * head size], by libtorch's kernels on its current stream, which is
/// this stream. What the kernels return is allocated by libtorch's caching allocator. One thread at a time.
/// </summary>
/// <param name="shape">How it is done.</param>
/// <param name="views">Tensors over memory; borrowed.</param>
/// <param name="kernels">Copies; borrowed.</param>
/// <param name="stream">libtorch's current stream; borrowed.</param>
/// <param name="buffers">Where the workspace's buffers are.</param>
/// <param name="workspace">The workspace.</param>
internal sealed unsafe class CudaAttention(
    CudaAttentionShape shape, CudaTensorViews views, CudaKernels kernels, CudaStream stream, CudaWorkspace buffers, byte* workspace) : IDisposable
{
    private readonly int _numHeads = shape.NumHeads;
    private readonly int _numKeyValueHeads = shape.NumKeyValueHeads;
    private readonly int _padded = shape.PaddedHeadSize;
    private readonly double _scale = 1 / Math.Sqrt(shape.HeadSize);

    // cuDNN's log-sum-exp has a last dimension of 1 in some versions: as the first forward makes it.
    private int _numStatisticDimensions = 3;

    // Kept from the first forward: a backward wants such tensors, and without dropout does not read them.
    private nint _seed;
    private nint _offset;
    private nint _undefined;

    /// <summary>How it is done.</summary>
    public CudaAttentionShape Shape => shape;

    /// <summary>Forward; the result is the caller's to dispose.</summary>
    /// <param name="qkv">Normed and rotated.</param>
    /// <param name="batch">The micro-batch.</param>
    public CudaAttentionResult Forward(byte* qkv, BatchShape batch)
    {
        CudaAttentionOutput made = CudaAten.AttentionForward(Prepare(qkv, batch));
        if (_seed == 0)
        {
            _seed = made.Seed;
            _offset = made.Offset;
            _numStatisticDimensions = CudaAten.NumDimensions(made.LogSumExp);
        }
        else
        {
            CudaAten.Delete(made.Seed);
            CudaAten.Delete(made.Offset);
        }

        nint output = CudaAten.ByToken(made.Output);
        var logSumExp = (float*)CudaAten.Data(made.LogSumExp);
        if (!shape.IsPadded)
        {
            return new CudaAttentionResult(CudaAten.Data(output), logSumExp, output, made.LogSumExp, isOwned: true);
        }

        byte* compact = workspace + buffers.Compact;
        kernels.CopyColumns(CudaAten.Data(output), _padded, compact, shape.HeadSize, (long)batch.Rows * _numHeads, shape.HeadSize);
        CudaAten.Delete(output);
        return new CudaAttentionResult(compact, logSumExp, 0, made.LogSumExp, isOwned: true);
    }

    /// <summary>What was kept of a forward in slots, as <see cref="CudaAttentionShape.KeepsLogSumExp"/> allows.</summary>
    public CudaAttentionResult Kept(byte* output, float* logSumExp, BatchShape batch) => new(
        output, logSumExp, shape.IsPadded ? 0 : views.Heads(output, _numHeads, _padded, (long)_numHeads * _padded, batch),
        views.LogSumExp(logSumExp, _numHeads, batch, _numStatisticDimensions), isOwned: false);

    /// <summary>Backward; the result is the caller's to dispose.</summary>
    /// <param name="qkv">As given forward.</param>
    /// <param name="result">As returned forward.</param>
    /// <param name="gradOutput">[rows, heads * head size].</param>
    /// <param name="batch">As given forward.</param>
    public CudaAttentionGradients Backward(byte* qkv, in CudaAttentionResult result, byte* gradOutput, BatchShape batch)
    {
        EnsureConstants(qkv, batch);
        CudaAttentionCall call = Prepare(qkv, batch) with
        {
            GradOutput = WholeHeads(gradOutput, workspace + buffers.PaddedGradient, batch),
            Output = result.OutputTensor != 0 ? result.OutputTensor : WholeHeads(result.Output, workspace + buffers.PaddedOutput, batch),
            LogSumExp = result.LogSumExpTensor,
            Seed = _seed,
            Offset = _offset,
            Undefined = _undefined,
        };
        CudaAten.AttentionBackward(call, out nint gradQuery, out nint gradKey, out nint gradValue);
        gradQuery = CudaAten.ByToken(gradQuery);
        gradKey = CudaAten.ByToken(gradKey);
        gradValue = CudaAten.ByToken(gradValue);
        byte* query = CudaAten.Data(gradQuery);
        byte* key = CudaAten.Data(gradKey);
        byte* value = CudaAten.Data(gradValue);
        if (shape.IsPadded)
        {
            byte* compact = workspace + buffers.Compact;
            kernels.CopyColumns(query, _padded, compact, shape.HeadSize, (long)batch.Rows * _numHeads, shape.HeadSize);
            query = compact;
        }

        if (shape.IsPadded || shape.Repeats)
        {
            key = SumGroups(key, workspace + buffers.KeyGradient, batch);
            value = SumGroups(value, workspace + buffers.ValueGradient, batch);
        }

        return new CudaAttentionGradients(query, key, value, gradQuery, gradKey, gradValue);
    }

    /// <summary>Frees what was kept.</summary>
    public void Dispose()
    {
        CudaAten.Delete(_seed);
        CudaAten.Delete(_offset);
        CudaAten.Delete(_undefined);
        _seed = _offset = _undefined = 0;
    }

    /// <summary>A backward whose forward was another process's, or another instance's, makes a forward for the handles alone.</summary>
    private void EnsureConstants(byte* qkv, BatchShape batch)
    {
        if (_seed == 0)
        {
            Forward(qkv, batch).Dispose();
        }

        if (_undefined == 0)
        {
            _undefined = CudaAten.Undefined();
        }
    }

    /// <summary>Queries, keys and values as the kernel takes them.</summary>
    private CudaAttentionCall Prepare(byte* qkv, BatchShape batch)
    {
        int numPacked = _numHeads + (2 * _numKeyValueHeads);
        long rowStride = (long)numPacked * _padded;
        byte* packed = qkv;
        if (shape.IsPadded)
        {
            packed = workspace + buffers.PaddedQkv;
            Pad(qkv, packed, (long)batch.Rows * numPacked);
        }

        byte* key = packed + ((long)_numHeads * _padded * shape.ElementBytes);
        byte* value = key + ((long)_numKeyValueHeads * _padded * shape.ElementBytes);
        return new CudaAttentionCall
        {
            Kind = shape.Kind,
            Query = views.Heads(packed, _numHeads, _padded, rowStride, batch),
            Key = KeyValue(key, rowStride, workspace + buffers.RepeatedKey, batch),
            Value = KeyValue(value, rowStride, workspace + buffers.RepeatedValue, batch),
            Scale = _scale,
            Tokens = batch.Tokens,
        };
    }

    private nint KeyValue(byte* heads, long rowStride, byte* repeated, BatchShape batch)
    {
        if (!shape.Repeats)
        {
            return views.Heads(heads, _numKeyValueHeads, _padded, rowStride, batch);
        }

        byte* dense = workspace + buffers.KeyValue;
        long width = (long)_numKeyValueHeads * _padded;
        kernels.CopyColumns(heads, rowStride, dense, width, batch.Rows, width);
        for (int member = 0; member < shape.GroupSize; member++)
        {
            kernels.CopyColumns(
                dense, _padded, repeated + ((long)member * _padded * shape.ElementBytes), (long)shape.GroupSize * _padded,
                (long)batch.Rows * _numKeyValueHeads, _padded);
        }

        return views.Heads(repeated, _numHeads, _padded, (long)_numHeads * _padded, batch);
    }

    /// <summary>[rows, heads * head size] as the kernel takes it.</summary>
    private nint WholeHeads(byte* heads, byte* padded, BatchShape batch)
    {
        if (shape.IsPadded)
        {
            Pad(heads, padded, (long)batch.Rows * _numHeads);
            heads = padded;
        }

        return views.Heads(heads, _numHeads, _padded, (long)_numHeads * _padded, batch);
    }

    private void Pad(byte* heads, byte* padded, long numHeads)
    {
        stream.Clear(padded, numHeads * _padded * shape.ElementBytes);
        kernels.CopyColumns(heads, shape.HeadSize, padded, _padded, numHeads, shape.HeadSize);
    }

    /// <summary>Gradients of the heads that share a key or value head are added in their order; padding is left away.</summary>
    private byte* SumGroups(byte* gradient, byte* sum, BatchShape batch)
    {
        long numHeads = (long)batch.Rows * _numKeyValueHeads;
        int headSize = shape.HeadSize;
        if (!shape.Repeats)
        {
            kernels.CopyColumns(gradient, _padded, sum, headSize, numHeads, headSize);
            return sum;
        }

        // Only float32 runs repeat heads.
        byte* member = workspace + buffers.KeyValue;
        long stride = (long)shape.GroupSize * _padded;
        kernels.CopyColumns(gradient, stride, sum, headSize, numHeads, headSize);
        for (int i = 1; i < shape.GroupSize; i++)
        {
            kernels.CopyColumns(gradient + ((long)i * _padded * sizeof(float)), stride, member, headSize, numHeads, headSize);
            kernels.AddFloats((float*)sum, (float*)member, numHeads * headSize);
        }

        return sum;
    }
}
