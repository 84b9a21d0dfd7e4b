using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>An activation function for eight values: itself and its derivative (the unused one is optimised away).</summary>
internal interface IActivationFunction
{
    static abstract (Vector256<float> Value, Vector256<float> Derivative) Evaluate(Vector256<float> x);
}
