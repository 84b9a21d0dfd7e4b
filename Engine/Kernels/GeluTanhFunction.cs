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
        // tanh(u) = 1 - 2 / (exp(2u) + 1): exact at both ends, where exp is 0 or infinity.
        Vector256<float> tanh = one - (Vector256.Create(2f) / (Vector256.Exp(inner + inner) + one));
        Vector256<float> innerDerivative = (float)ActivationReference.TanhScale * (one + ((float)(3 * ActivationReference.TanhCubic) * square));
        Vector256<float> value = 0.5f * x * (one + tanh);
        return (value, (0.5f * (one + tanh)) + (0.5f * x * (one - (tanh * tanh)) * innerDerivative));
    }
}
