using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Offload.Engine.Compute;

namespace Offload.Engine.Kernels;

/// <summary>0.5 x (1 + tanh(c (x + a x^3))).</summary>
internal readonly struct GeluTanhFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> Value, Vector256<float> Derivative) Evaluate(Vector256<float> x)
    {
        Vector256<float> one = Vector256<float>.One;
        Vector256<float> square = x * x;
        Vector256<float> inner = (float)ActivationReference.TanhScale * (x + ((float)ActivationReference.TanhCubic * square * x));
        // 0.5 (1 + tanh(u)) is the logistic function of 2u, without the cancellation; exact at both ends, where exp is 0 or infinity.
        Vector256<float> sigmoid = one / (one + Vector256.Exp(-(inner + inner)));
        Vector256<float> innerDerivative = (float)ActivationReference.TanhScale * (one + ((float)(3 * ActivationReference.TanhCubic) * square));
        return (x * sigmoid, sigmoid + (2f * x * sigmoid * (one - sigmoid) * innerDerivative));
    }
}
