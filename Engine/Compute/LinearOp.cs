using Offload.Engine.Interop;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>y = x W^T + b and its gradients. W is [out, in], or [in, out] if <c>inputMajor</c>. Returned tensors belong to the caller.</summary>
internal static class LinearOp
{
    /// <param name="x">[rows, in].</param>
    /// <param name="weight">[out, in], or [in, out].</param>
    /// <param name="bias">[out] or null.</param>
    /// <param name="inputMajor">Layout of the weight.</param>
    /// <returns>[rows, out].</returns>
    public static Tensor Forward(Tensor x, Tensor weight, Tensor? bias, bool inputMajor)
    {
        if (!inputMajor)
        {
            return nn.functional.linear(x, weight, bias);
        }

        return bias is null ? x.mm(weight) : addmm(bias, x, weight, beta: 1, alpha: 1);
    }

    /// <summary>Adds the weight's and bias's gradients into their fp32 sums.</summary>
    /// <param name="x">[rows, in], as given forward.</param>
    /// <param name="gradY">[rows, out].</param>
    /// <param name="weightSum">fp32, shaped as the weight.</param>
    /// <param name="biasSum">fp32 [out] or null.</param>
    /// <param name="inputMajor">Layout of the weight.</param>
    public static void AccumulateGradients(Tensor x, Tensor gradY, Tensor weightSum, Tensor? biasSum, bool inputMajor)
    {
        using Tensor left = inputMajor ? x.t() : gradY.t();
        Tensor right = inputMajor ? gradY : x;
        if (x.dtype == ScalarType.Float32)
        {
            // beta = 1: the product is added in the matrix product's own store, without a pass of its own.
            weightSum.addmm_(left, right, beta: 1, alpha: 1);
        }
        else
        {
            // ATen has no bf16 x bf16 -> fp32 product on the CPU: the product is rounded once, then summed in fp32.
            using Tensor product = left.mm(right);
            weightSum.add_(product, Scalars.One);
        }

        if (biasSum is not null)
        {
            using Tensor columns = gradY.sum(0, type: ScalarType.Float32);
            biasSum.add_(columns, Scalars.One);
        }
    }

    /// <returns>Gradient of x: [rows, in].</returns>
    public static Tensor InputGradient(Tensor gradY, Tensor weight, bool inputMajor)
    {
        if (!inputMajor)
        {
            return gradY.mm(weight);
        }

        using Tensor transposed = weight.t();
        return gradY.mm(transposed);
    }
}
