using System.Runtime.InteropServices;

namespace Offload.Engine.Interop;

/// <summary>
/// The CUDA operators of libtorch's stable C ABI (torch/csrc/inductor/aoti_torch/generated/c_shim_cuda.h). Tensor arguments are borrowed, returned
/// handles are the caller's; a pointer to a handle is an optional argument, null if it is left out. They run on libtorch's current stream.
/// </summary>
internal static unsafe partial class CudaStableAbi
{
    private const string Library = "torch_cuda";

    [LibraryImport(Library)]
    internal static partial int aoti_torch_cuda__scaled_dot_product_flash_attention(
        nint query, nint key, nint value, double dropout, int isCausal, int returnDebugMask, double* scale,
        nint* output, nint* logSumExp, nint* cumulativeQ, nint* cumulativeK, long* maxQ, long* maxK, nint* seed, nint* offset, nint* debugMask);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_cuda__scaled_dot_product_flash_attention_backward(
        nint gradOutput, nint query, nint key, nint value, nint output, nint logSumExp, nint cumulativeQ, nint cumulativeK, long maxQ, long maxK,
        double dropout, int isCausal, nint seed, nint offset, double* scale, nint* gradQuery, nint* gradKey, nint* gradValue);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_cuda__scaled_dot_product_cudnn_attention(
        nint query, nint key, nint value, nint* bias, int computeLogSumExp, double dropout, int isCausal, int returnDebugMask, double* scale,
        nint* output, nint* logSumExp, nint* cumulativeQ, nint* cumulativeK, long* maxQ, long* maxK, nint* seed, nint* offset, nint* debugMask);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_cuda__scaled_dot_product_cudnn_attention_backward(
        nint gradOutput, nint query, nint key, nint value, nint output, nint logSumExp, nint seed, nint offset, nint bias, nint cumulativeQ,
        nint cumulativeK, long maxQ, long maxK, double dropout, int isCausal, double* scale, nint* gradQuery, nint* gradKey, nint* gradValue);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_cuda__scaled_dot_product_efficient_attention(
        nint query, nint key, nint value, nint* bias, int computeLogSumExp, double dropout, int isCausal, double* scale,
        nint* output, nint* logSumExp, nint* seed, nint* offset);

    [LibraryImport(Library)]
    internal static partial int aoti_torch_cuda__scaled_dot_product_efficient_attention_backward(
        nint gradOutput, nint query, nint key, nint value, nint bias, nint output, nint logSumExp, nint seed, nint offset, double dropout,
        int* gradientMask, long gradientMaskLength, int isCausal, double* scale, nint* gradQuery, nint* gradKey, nint* gradValue, nint* gradBias);
}
