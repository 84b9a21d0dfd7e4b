using Offload.Engine.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>RMSNorm and LayerNorm as plain formulas over tensors, in fp32 inside: the reference of NormKernel, and what other devices run.</summary>
internal static class NormReference
{
    /// <param name="x">[rows, width].</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width]: LayerNorm; null: RMSNorm.</param>
    /// <param name="epsilon">Added to the variance or mean square.</param>
    /// <returns>[rows, width] in x's type.</returns>
    public static Tensor Forward(Tensor x, Tensor weight, Tensor? bias, double epsilon)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor normal, _) = Normalise(x, bias is not null, epsilon);
        Tensor y = normal * weight.to(ScalarType.Float32);
        if (bias is not null)
        {
            y = y.Plus(bias.to(ScalarType.Float32));
        }

        return y.to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Gradient of x; adds those of weight and bias into their fp32 sums.</summary>
    /// <param name="x">[rows, width], as given forward.</param>
    /// <param name="weight">[width].</param>
    /// <param name="hasBias">LayerNorm.</param>
    /// <param name="epsilon">As forward.</param>
    /// <param name="gradY">[rows, width].</param>
    /// <param name="weightSum">fp32 [width].</param>
    /// <param name="biasSum">fp32 [width] or null.</param>
    public static Tensor Backward(Tensor x, Tensor weight, bool hasBias, double epsilon, Tensor gradY, Tensor weightSum, Tensor? biasSum)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor normal, Tensor inverse) = Normalise(x, hasBias, epsilon);
        Tensor gradY32 = gradY.to(ScalarType.Float32);
        weightSum.add_((gradY32 * normal).sum(dim: 0), Scalars.One);
        biasSum?.add_(gradY32.sum(dim: 0), Scalars.One);
        Tensor gradNormal = gradY32 * weight.to(ScalarType.Float32);
        Tensor gradX = gradNormal - normal * (gradNormal * normal).mean([1], keepdim: true);
        if (hasBias)
        {
            gradX = gradX - gradNormal.mean([1], keepdim: true);
        }

        return (gradX * inverse).to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <returns>fp32 [rows, width]: x scaled to unit mean square or variance; fp32 [rows, 1]: the scale.</returns>
    private static (Tensor Normal, Tensor Inverse) Normalise(Tensor x, bool centre, double epsilon)
    {
        Tensor x32 = x.to(ScalarType.Float32);
        if (centre)
        {
            x32 = x32 - x32.mean([1], keepdim: true);
        }

        Tensor inverse = (x32 * x32).mean([1], keepdim: true).Plus(epsilon).rsqrt();
        return (x32 * inverse, inverse);
    }
}
