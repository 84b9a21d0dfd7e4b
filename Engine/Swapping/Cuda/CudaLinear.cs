using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>y = x W^T + b and its gradients, issued to a stream. W is [out, in], or [in, out] if <paramref name="inputMajor"/>.</summary>
/// <param name="gemm">Products; borrowed.</param>
/// <param name="kernels">Sums of columns; borrowed.</param>
/// <param name="type">Element type of compute.</param>
/// <param name="inputMajor">Layout of the weights.</param>
/// <param name="partials">For sums of columns.</param>
internal sealed unsafe class CudaLinear(CudaGemm gemm, CudaKernels kernels, ComputeType type, bool inputMajor, float* partials)
{
    /// <summary>y, with something added in the product's own store.</summary>
    /// <param name="x">[rows, in].</param>
    /// <param name="weight">[out, in], or [in, out].</param>
    /// <param name="bias">[out] or null.</param>
    /// <param name="addend">[rows, out] or null; not <paramref name="y"/>.</param>
    /// <param name="y">[rows, out].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of y.</param>
    public void Forward(byte* x, byte* weight, byte* bias, byte* addend, byte* y, int rows, int inputs, int outputs) =>
        gemm.Multiply(
            new GemmShape(rows, outputs, inputs, TransposeLeft: false, TransposeRight: !inputMajor, type, IntoFloat32: false, Accumulates: false),
            x, weight, y, bias, addend);

    /// <summary>Gradient of x.</summary>
    /// <param name="gradY">[rows, out].</param>
    /// <param name="weight">As forward.</param>
    /// <param name="gradX">[rows, in].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of y.</param>
    public void InputGradient(byte* gradY, byte* weight, byte* gradX, int rows, int inputs, int outputs) =>
        gemm.Multiply(
            new GemmShape(rows, inputs, outputs, TransposeLeft: false, TransposeRight: inputMajor, type, IntoFloat32: false, Accumulates: false),
            gradY, weight, gradX);

    /// <summary>Adds the gradients of weight and bias into their sums.</summary>
    /// <param name="x">[rows, in], as given forward.</param>
    /// <param name="gradY">[rows, out].</param>
    /// <param name="weightSum">fp32, shaped as the weight.</param>
    /// <param name="biasSum">fp32 [out] or null.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of y.</param>
    public void AddGradients(byte* x, byte* gradY, float* weightSum, float* biasSum, int rows, int inputs, int outputs)
    {
        if (inputMajor)
        {
            gemm.Multiply(
                new GemmShape(inputs, outputs, rows, TransposeLeft: true, TransposeRight: false, type, IntoFloat32: true, Accumulates: true),
                x, gradY, weightSum);
        }
        else
        {
            gemm.Multiply(
                new GemmShape(outputs, inputs, rows, TransposeLeft: true, TransposeRight: false, type, IntoFloat32: true, Accumulates: true),
                gradY, x, weightSum);
        }

        if (biasSum is not null)
        {
            kernels.ColumnSums(gradY, biasSum, partials, rows, outputs);
        }
    }
}
