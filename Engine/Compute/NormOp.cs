using Offload.Engine.Interop;
using Offload.Engine.Kernels;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>RMSNorm (no bias) or LayerNorm, by the device's best implementation. Returned tensors belong to the caller.</summary>
internal static unsafe class NormOp
{
    /// <inheritdoc cref="NormReference.Forward"/>
    public static Tensor Forward(Tensor x, Tensor weight, Tensor? bias, double epsilon)
    {
        if (!CpuKernels.CanRun(x))
        {
            return NormReference.Forward(x, weight, bias, epsilon);
        }

        Tensor y = empty_like(x);
        (int rows, int width) = CpuKernels.MatrixShape(x);
        void* biasData = bias is null ? null : Aten.DataPointer(bias);
        if (x.dtype == ScalarType.Float32)
        {
            NormKernel.Forward<Float32Elements>(Aten.DataPointer(x), Aten.DataPointer(y), Aten.DataPointer(weight), biasData, rows, width, epsilon);
        }
        else
        {
            NormKernel.Forward<BFloat16Elements>(Aten.DataPointer(x), Aten.DataPointer(y), Aten.DataPointer(weight), biasData, rows, width, epsilon);
        }

        return y;
    }

    /// <inheritdoc cref="NormReference.Backward"/>
    public static Tensor Backward(Tensor x, Tensor weight, bool hasBias, double epsilon, Tensor gradY, Tensor weightSum, Tensor? biasSum)
    {
        if (!CpuKernels.CanRun(x) || !CpuKernels.CanRun(gradY))
        {
            return NormReference.Backward(x, weight, hasBias, epsilon, gradY, weightSum, biasSum);
        }

        Tensor gradX = empty_like(x);
        (int rows, int width) = CpuKernels.MatrixShape(x);
        float* biasSumData = biasSum is null ? null : (float*)Aten.DataPointer(biasSum);
        if (x.dtype == ScalarType.Float32)
        {
            NormKernel.Backward<Float32Elements>(
                Aten.DataPointer(x), Aten.DataPointer(weight), Aten.DataPointer(gradY), Aten.DataPointer(gradX),
                (float*)Aten.DataPointer(weightSum), biasSumData, rows, width, epsilon);
        }
        else
        {
            NormKernel.Backward<BFloat16Elements>(
                Aten.DataPointer(x), Aten.DataPointer(weight), Aten.DataPointer(gradY), Aten.DataPointer(gradX),
                (float*)Aten.DataPointer(weightSum), biasSumData, rows, width, epsilon);
        }

        return gradX;
    }
}
