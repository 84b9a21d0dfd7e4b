using static TorchSharp.torch;

namespace Offload.Engine.Interop;

/// <summary>
/// Attention on CUDA and tensors over device memory, by raw handles: a step makes no object of ours for them. Every handle that is returned is
/// the caller's and goes to <see cref="Delete"/>. Work is issued to libtorch's current stream and never waited for. Any thread.
/// </summary>
internal static unsafe class CudaAten
{
    /// <summary>c10::DeviceType::CUDA.</summary>
    private const int DeviceTypeCuda = 1;

    private const double NoDropout = 0;
    private const int Yes = 1;
    private const int No = 0;

    /// <summary>A tensor over device memory that somebody else owns and keeps alive longer.</summary>
    /// <param name="data">Address of the first element.</param>
    /// <param name="type">Element type.</param>
    /// <param name="device">The GPU's number.</param>
    /// <param name="sizes">Shape.</param>
    /// <param name="strides">In elements, one a dimension.</param>
    public static nint View(void* data, ScalarType type, int device, ReadOnlySpan<long> sizes, ReadOnlySpan<long> strides)
    {
        fixed (long* sizeData = sizes, strideData = strides)
        {
            int error = StableAbi.aoti_torch_create_tensor_from_blob(
                (nint)data, sizes.Length, sizeData, strideData, 0, (int)type, DeviceTypeCuda, device, out nint handle);
            return error == 0 ? handle : throw new LibtorchException("create_tensor_from_blob", $"{type} on GPU {device}, {sizes.Length} dimensions");
        }
    }

    /// <summary>A tensor that is not defined.</summary>
    public static nint Undefined() => StableAbi.aoti_torch_new_uninitialized_tensor(out nint handle) == 0
        ? handle
        : throw new LibtorchException("new_uninitialized_tensor", "it gives no reason");

    /// <summary>Frees a handle; its memory goes back when the stream has no more use for it. 0 is nothing.</summary>
    public static void Delete(nint handle)
    {
        if (handle != 0 && StableAbi.aoti_torch_delete_tensor_object(handle) != 0)
        {
            throw new LibtorchException("delete_tensor_object", "it gives no reason");
        }
    }

    /// <summary>Address of the first element.</summary>
    public static byte* Data(nint handle) => StableAbi.aoti_torch_get_data_ptr(handle, out nint data) == 0
        ? (byte*)data
        : throw new LibtorchException("get_data_ptr", "it gives no reason");

    /// <summary>Number of dimensions.</summary>
    public static int NumDimensions(nint handle) => StableAbi.aoti_torch_get_dim(handle, out long count) == 0
        ? (int)count
        : throw new LibtorchException("get_dim", "it gives no reason");

    /// <summary>
    /// [sequences, heads, tokens, head size] whose memory is [sequences, tokens, heads, head size] without gaps: rows. A tensor that lies otherwise is
    /// copied, and its handle freed.
    /// </summary>
    public static nint ByToken(nint handle)
    {
        if (IsByToken(handle))
        {
            return handle;
        }

        using Tensor other = Tensor.UnsafeCreateTensor(handle);
        using Tensor byToken = other.transpose(1, 2);
        using Tensor rows = byToken.contiguous();
        using Tensor result = rows.transpose(1, 2);
        int error = StableAbi.aoti_torch_new_tensor_handle(result.Handle, out nint copy);
        GC.KeepAlive(result);
        return error == 0 ? copy : throw new LibtorchException("new_tensor_handle", "it gives no reason");
    }

    /// <summary>Causal attention.</summary>
    /// <exception cref="LibtorchException">The kernel does not take the tensors; carries libtorch's text.</exception>
    public static CudaAttentionOutput AttentionForward(in CudaAttentionCall call) =>
        TryForward(call, out CudaAttentionOutput output) == 0 ? output : throw ForwardFailure(call);

    /// <summary>Gradients of <see cref="AttentionForward"/>, laid out as query, key and value.</summary>
    /// <param name="call">As given forward, and what is said to be for the backward.</param>
    /// <param name="gradQuery">As the query, densely.</param>
    /// <param name="gradKey">As the key, densely.</param>
    /// <param name="gradValue">As the value, densely.</param>
    /// <exception cref="LibtorchException">The kernel does not take the tensors; carries libtorch's text.</exception>
    public static void AttentionBackward(in CudaAttentionCall call, out nint gradQuery, out nint gradKey, out nint gradValue)
    {
        if (TryBackward(call, out gradQuery, out gradKey, out gradValue) != 0)
        {
            throw BackwardFailure(call);
        }
    }

    private static int TryForward(in CudaAttentionCall call, out CudaAttentionOutput result)
    {
        double scale = call.Scale;
        nint output = 0, logSumExp = 0, cumulativeQ = 0, cumulativeK = 0, seed = 0, offset = 0, debugMask = 0;
        long maxQ, maxK;
        int error = call.Kind switch
        {
            CudaAttentionKind.Flash => CudaStableAbi.aoti_torch_cuda__scaled_dot_product_flash_attention(
                call.Query, call.Key, call.Value, NoDropout, Yes, No, &scale,
                &output, &logSumExp, &cumulativeQ, &cumulativeK, &maxQ, &maxK, &seed, &offset, &debugMask),
            CudaAttentionKind.CuDnn => CudaStableAbi.aoti_torch_cuda__scaled_dot_product_cudnn_attention(
                call.Query, call.Key, call.Value, null, Yes, NoDropout, Yes, No, &scale,
                &output, &logSumExp, &cumulativeQ, &cumulativeK, &maxQ, &maxK, &seed, &offset, &debugMask),
            _ => CudaStableAbi.aoti_torch_cuda__scaled_dot_product_efficient_attention(
                call.Query, call.Key, call.Value, null, Yes, NoDropout, Yes, &scale, &output, &logSumExp, &seed, &offset),
        };
        result = new CudaAttentionOutput(output, logSumExp, seed, offset);
        if (error == 0)
        {
            Delete(cumulativeQ);
            Delete(cumulativeK);
            Delete(debugMask);
        }

        return error;
    }

    private static int TryBackward(in CudaAttentionCall call, out nint gradQuery, out nint gradKey, out nint gradValue)
    {
        double scale = call.Scale;
        nint q = 0, k = 0, v = 0, bias = 0;
        int error;
        switch (call.Kind)
        {
            case CudaAttentionKind.Flash:
                error = CudaStableAbi.aoti_torch_cuda__scaled_dot_product_flash_attention_backward(
                    call.GradOutput, call.Query, call.Key, call.Value, call.Output, call.LogSumExp, call.Undefined, call.Undefined, call.Tokens, call.Tokens,
                    NoDropout, Yes, call.Seed, call.Offset, &scale, &q, &k, &v);
                break;
            case CudaAttentionKind.CuDnn:
                error = CudaStableAbi.aoti_torch_cuda__scaled_dot_product_cudnn_attention_backward(
                    call.GradOutput, call.Query, call.Key, call.Value, call.Output, call.LogSumExp, call.Seed, call.Offset, call.Undefined, call.Undefined,
                    call.Undefined, call.Tokens, call.Tokens, NoDropout, Yes, &scale, &q, &k, &v);
                break;
            default:
                // Of query, key, value and bias; there is none of these last.
                int* mask = stackalloc int[4] { Yes, Yes, Yes, No };
                error = CudaStableAbi.aoti_torch_cuda__scaled_dot_product_efficient_attention_backward(
                    call.GradOutput, call.Query, call.Key, call.Value, call.Undefined, call.Output, call.LogSumExp, call.Seed, call.Offset, NoDropout,
                    mask, 4, Yes, &scale, &q, &k, &v, &bias);
                break;
        }

        gradQuery = q;
        gradKey = k;
        gradValue = v;
        if (error == 0)
        {
            Delete(bias);
        }

        return error;
    }

    /// <summary>Whether memory is [sequences, tokens, heads, head size]; a dimension of one element has no stride that matters.</summary>
    private static bool IsByToken(nint handle)
    {
        if (StableAbi.aoti_torch_get_sizes(handle, out long* sizes) != 0 || StableAbi.aoti_torch_get_strides(handle, out long* strides) != 0)
        {
            throw new LibtorchException("get_strides", "it gives no reason");
        }

        long expected = 1;
        foreach (int dimension in (ReadOnlySpan<int>)[3, 1, 2, 0])
        {
            if (sizes[dimension] > 1 && strides[dimension] != expected)
            {
                return false;
            }

            expected *= sizes[dimension];
        }

        return true;
    }

    // The ABI returns no text, it logs it: the failed call is made once more with the log captured.
    private static LibtorchException ForwardFailure(CudaAttentionCall call) =>
        new($"{call.Kind} attention", LibtorchLog.Capture(() => TryForward(call, out _)) ?? "it gives no reason");

    private static LibtorchException BackwardFailure(CudaAttentionCall call) =>
        new($"backward of {call.Kind} attention", LibtorchLog.Capture(() => TryBackward(call, out _, out _, out _)) ?? "it gives no reason");
}
