using static TorchSharp.torch;

namespace Offload.Engine.Interop;

/// <summary>ATen operators that TorchSharp lacks, typed. Returned tensors belong to the caller.</summary>
internal static unsafe class Aten
{
    private static readonly AtenOperator FlashForCpu = new("aten::_scaled_dot_product_flash_attention_for_cpu");
    private static readonly AtenOperator FlashForCpuBackward = new("aten::_scaled_dot_product_flash_attention_for_cpu_backward");

    /// <summary>Causal flash attention on the CPU, scaled by 1/sqrt(head size); equal head counts.</summary>
    /// <param name="q">[batch, heads, tokens, head size], any strides with the last dimension contiguous.</param>
    /// <param name="k">As q.</param>
    /// <param name="v">As q.</param>
    /// <returns>out as q; log-sum-exp of the scores, fp32.</returns>
    public static (Tensor Out, Tensor LogSumExp) CausalAttentionCpu(Tensor q, Tensor k, Tensor v)
    {
        var results = new Tensor[2];
        FlashForCpu.Call([q, k, v, 0.0, true, AtenValue.None, AtenValue.None], results);
        return (results[0], results[1]);
    }

    /// <summary>Gradients of <see cref="CausalAttentionCpu"/>.</summary>
    /// <param name="gradOut">As out.</param>
    /// <param name="q">As given forward.</param>
    /// <param name="k">As given forward.</param>
    /// <param name="v">As given forward.</param>
    /// <param name="output">As returned forward.</param>
    /// <param name="logSumExp">As returned forward.</param>
    public static (Tensor GradQ, Tensor GradK, Tensor GradV) CausalAttentionCpuBackward(
        Tensor gradOut, Tensor q, Tensor k, Tensor v, Tensor output, Tensor logSumExp)
    {
        var results = new Tensor[3];
        FlashForCpuBackward.Call([gradOut, q, k, v, output, logSumExp, 0.0, true, AtenValue.None, AtenValue.None], results);
        return (results[0], results[1], results[2]);
    }

    /// <summary>A tensor over memory that somebody else owns and keeps alive longer.</summary>
    /// <param name="data">Address of the first element; any alignment that the element type allows.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Contiguous shape.</param>
    public static Tensor FromMemory(void* data, ScalarType type, params ReadOnlySpan<long> shape)
    {
        long* sizes = stackalloc long[shape.Length];
        long* strides = stackalloc long[shape.Length];
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            sizes[i] = shape[i];
            strides[i] = stride;
            stride *= shape[i];
        }

        int error = StableAbi.aoti_torch_create_tensor_from_blob((nint)data, shape.Length, sizes, strides, 0, (int)type, 0, 0, out nint handle);
        return error == 0
            ? Tensor.UnsafeCreateTensor(handle)
            : throw new LibtorchException("create_tensor_from_blob", $"{type}, {stride} elements");
    }

    /// <summary>Address of a tensor's first element; valid as long as the caller keeps the tensor.</summary>
    public static void* DataPointer(Tensor tensor)
    {
        int error = StableAbi.aoti_torch_get_data_ptr(tensor.Handle, out nint data);
        GC.KeepAlive(tensor);
        return error == 0 ? (void*)data : throw new LibtorchException("get_data_ptr", tensor.ToString() ?? "no tensor");
    }
}
