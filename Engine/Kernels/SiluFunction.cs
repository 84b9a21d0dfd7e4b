using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>x * sigmoid(x).</summary>
internal readonly struct SiluFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<float> Value, Vector256<float> Derivative) Evaluate(Vector256<float> x)
    {
        Vector256<float> one = Vector256<float>.One;
        Vector256<float> sigmoid = one / (one + Vector256.Exp(-x));
        return (x * sigmoid, sigmoid * (one + (x * (one - sigmoid))));
    }
}
