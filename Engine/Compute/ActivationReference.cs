using Offload.Engine.Interop;
using Offload.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>MLP activations as plain formulas over tensors, in fp32 inside: the reference of ActivationKernel, and what other devices run.</summary>
internal static class ActivationReference
{
    // sqrt(2 / pi) and the cubic coefficient of the tanh formula (Hendrycks and Gimpel, "Gaussian Error Linear Units", section 2).
    internal const double TanhScale = 0.79788456080286535588;
    internal const double TanhCubic = 0.044715;
    private const double InverseSqrt2 = 0.70710678118654752440;
    private const double InverseSqrt2Pi = 0.39894228040143267794;

    /// <summary>act(up), or act(gate) * up.</summary>
    /// <param name="up">[rows, F], or [rows, 2F] with the gate first.</param>
    /// <param name="kind">The function.</param>
    /// <param name="gated">Two halves.</param>
    /// <returns>[rows, F].</returns>
    public static Tensor Forward(Tensor up, ActivationKind kind, bool gated)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor argument, Tensor? factor) = Split(up, gated);
        Tensor y = Value(argument, kind);
        return (factor is null ? y : y * factor).to(up.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Gradient of <see cref="Forward"/>.</summary>
    /// <param name="up">As given forward.</param>
    /// <param name="gradY">[rows, F].</param>
    /// <param name="kind">The function.</param>
    /// <param name="gated">Two halves.</param>
    /// <returns>Shaped as up.</returns>
    public static Tensor Backward(Tensor up, Tensor gradY, ActivationKind kind, bool gated)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor argument, Tensor? factor) = Split(up, gated);
        Tensor gradY32 = gradY.to(ScalarType.Float32);
        Tensor derivative = Derivative(argument, kind);
        Tensor gradUp = factor is null
            ? gradY32 * derivative
            : cat([gradY32 * factor * derivative, gradY32 * Value(argument, kind)], 1);
        return gradUp.to(up.dtype).MoveToOuterDisposeScope();
    }

    private static (Tensor Argument, Tensor? Factor) Split(Tensor up, bool gated)
    {
        Tensor up32 = up.to(ScalarType.Float32);
        long half = up.shape[1] / 2;
        return gated ? (up32.narrow(1, 0, half), up32.narrow(1, half, half)) : (up32, null);
    }

    private static Tensor Value(Tensor x, ActivationKind kind) => kind switch
    {
        ActivationKind.Silu => x * x.sigmoid(),
        ActivationKind.Gelu => x * NormalDistribution(x),
        ActivationKind.GeluTanh => x * Logistic(x),
        ActivationKind.Relu => x.clamp_min(Scalars.Zero),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "unknown activation"),
    };

    private static Tensor Derivative(Tensor x, ActivationKind kind)
    {
        switch (kind)
        {
            case ActivationKind.Silu:
                Tensor sigmoid = x.sigmoid();
                return sigmoid * (x * sigmoid.OneMinus()).Plus(1);
            case ActivationKind.Gelu:
                return NormalDistribution(x).Plus((x * (x.Times(-0.5) * x).exp()).Times(InverseSqrt2Pi));
            case ActivationKind.GeluTanh:
                Tensor logistic = Logistic(x);
                Tensor innerDerivative = (x.Times(3 * TanhCubic) * x).Plus(1).Times(TanhScale);
                return logistic.Plus(x.Times(2) * logistic * logistic.OneMinus() * innerDerivative);
            case ActivationKind.Relu:
                return x.gt(Scalars.Zero).to(ScalarType.Float32);
            default:
                throw new ArgumentOutOfRangeException(nameof(kind), kind, "unknown activation");
        }
    }

    private static Tensor NormalDistribution(Tensor x) => x.Times(InverseSqrt2).erf().Plus(1).Times(0.5);

    /// <summary>0.5 (1 + tanh(u)), u = c (x + a x^3), as the logistic function of 2u: without cancellation in the negative tail.</summary>
    private static Tensor Logistic(Tensor x) => x.Plus(x.Times(TanhCubic) * x * x).Times(2 * TanhScale).sigmoid();
}
