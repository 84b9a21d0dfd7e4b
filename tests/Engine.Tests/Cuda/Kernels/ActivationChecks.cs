using Offload.Engine.Compute;
using Offload.Engine.Models;

namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>Activations against their formulas in float64.</summary>
internal static unsafe class ActivationChecks
{
    public static void Run(KernelLab lab, Random random, int rows, int width, int offset)
    {
        foreach (ActivationKind kind in Enum.GetValues<ActivationKind>())
        {
            foreach (bool gated in (bool[])[false, true])
            {
                Check(lab, random, kind, gated, rows, width, offset, isInPlace: false);
                Check(lab, random, kind, gated, rows, width, offset, isInPlace: true);
                lab.Free();
            }
        }
    }

    private static void Check(KernelLab lab, Random random, ActivationKind kind, bool gated, int rows, int width, int offset, bool isInPlace)
    {
        string what = $"{kind} gated {gated} {rows} x {width} offset {offset} in place {isInPlace}";
        float[] up = lab.Normal(random, (long)rows * width * (gated ? 2 : 1), scale: 3);
        float[] gradY = lab.Normal(random, (long)rows * width);
        DeviceArray deviceUp = lab.Elements(up, offset);
        DeviceArray deviceGradY = lab.Elements(gradY, offset);
        DeviceArray y = isInPlace ? deviceGradY : lab.Empty(gradY.Length, offset);
        DeviceArray forward = lab.Empty(gradY.Length, offset);
        DeviceArray gradUp = isInPlace ? deviceUp : lab.Empty(up.Length, offset);
        lab.Kernels.ActivationForward(kind, gated, deviceUp.Address, forward.Address, rows, width);
        lab.Kernels.ActivationBackward(kind, gated, deviceUp.Address, deviceGradY.Address, y.Address, gradUp.Address, rows, width);
        var expectedY = new double[gradY.Length];
        var expected = new double[up.Length];
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < width; i++)
            {
                int at = (row * width) + i;
                int upAt = gated ? (row * 2 * width) + i : at;
                (double value, double derivative) = Evaluate(kind, up[upAt]);
                double factor = gated ? up[upAt + width] : 1;
                expectedY[at] = value * factor;
                expected[upAt] = gradY[at] * derivative * factor;
                if (gated)
                {
                    expected[upAt + width] = gradY[at] * value;
                }
            }
        }

        lab.CompareElements($"{kind} forward", what, lab.ReadElements(forward, gradY.Length), expectedY);
        lab.CompareElements($"{kind} backward: y", what, lab.ReadElements(y, gradY.Length), expectedY);
        lab.CompareElements($"{kind} backward", what, lab.ReadElements(gradUp, up.Length), expected);
    }

    private static (double Value, double Derivative) Evaluate(ActivationKind kind, double x)
    {
        switch (kind)
        {
            case ActivationKind.Silu:
                double sigmoid = 1 / (1 + Math.Exp(-x));
                return (x * sigmoid, sigmoid * (1 + (x * (1 - sigmoid))));
            case ActivationKind.Gelu:
                double distribution = NormalDistribution(x);
                return (x * distribution, distribution + (x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI)));
            case ActivationKind.GeluTanh:
                double tanh = Math.Tanh(ActivationReference.TanhScale * (x + (ActivationReference.TanhCubic * x * x * x)));
                double inner = ActivationReference.TanhScale * (1 + (3 * ActivationReference.TanhCubic * x * x));
                return (0.5 * x * (1 + tanh), (0.5 * (1 + tanh)) + (0.5 * x * (1 - (tanh * tanh)) * inner));
            default:
                return (Math.Max(x, 0), x > 0 ? 1 : 0);
        }
    }

    /// <summary>By the series of Marsaglia ("Evaluating the Normal Distribution", 2004), which converges everywhere.</summary>
    private static double NormalDistribution(double x)
    {
        if (Math.Abs(x) > 8)
        {
            return x > 0 ? 1 : 0;
        }

        double sum = x;
        double term = x;
        for (int i = 3; Math.Abs(term) > 1e-18 * Math.Abs(sum); i += 2)
        {
            term *= x * x / i;
            sum += term;
        }

        return 0.5 + (sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI));
    }
}
