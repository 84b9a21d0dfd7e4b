using static TorchSharp.torch;

namespace Offload.Engine.Tests.Compute;

/// <summary>Comparisons and autograd for the tests of compute.</summary>
internal static partial class Tensors
{
    /// <summary>One unit in the last place of bf16, relative: two roundings of nearly the same fp32 value differ by no more.</summary>
    public const double BFloat16Step = 1.0 / 128;

    public static readonly ScalarType[] ComputeTypes = [ScalarType.Float32, ScalarType.BFloat16];

    /// <summary>Each element within <paramref name="relative"/> of itself or of the root mean square, whichever is larger; NaN and infinity as expected.</summary>
    public static void AssertClose(float[] expected, float[] actual, double relative, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        double square = 0;
        int numFinite = 0;
        foreach (float value in expected.Where(float.IsFinite))
        {
            square += (double)value * value;
            numFinite++;
        }

        double floor = Math.Sqrt(square / Math.Max(1, numFinite));
        for (int i = 0; i < expected.Length; i++)
        {
            bool isSame = expected[i].Equals(actual[i]);
            bool isClose = Math.Abs((double)expected[i] - actual[i]) <= relative * Math.Max(Math.Abs(expected[i]), floor);
            Assert.True(isSame || isClose, $"{what}, element {i} of {expected.Length}: expected {expected[i]}, found {actual[i]}");
        }
    }

    public static void AssertClose(Tensor expected, Tensor actual, double relative, string what)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(expected.dtype, actual.dtype);
        AssertClose(Values(expected), Values(actual), relative, what);
    }

    /// <summary>||a - b|| within <paramref name="tolerance"/> of ||b||, or of <paramref name="floor"/> where that is larger.</summary>
    public static void AssertNear(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what, double floor = 0)
    {
        Assert.Equal(expected.Length, actual.Length);
        double distance = 0;
        double norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = (double)actual[i] - expected[i];
            distance += difference * difference;
            norm += (double)expected[i] * expected[i];
        }

        double error = Math.Sqrt(distance) / Math.Max(Math.Max(Math.Sqrt(norm), floor), 1e-30);
        Assert.True(error <= tolerance, $"{what}: relative error {error:E2}, allowed {tolerance:E0}");
    }

    public static void AssertNear(Tensor expected, Tensor actual, double tolerance, string what, double floor = 0)
    {
        Assert.Equal(expected.shape, actual.shape);
        AssertNear(Values(expected), Values(actual), tolerance, what, floor);
    }

    /// <summary>Value and gradients by TorchSharp's autograd, in the caller's dispose scope.</summary>
    /// <param name="function">Of the inputs.</param>
    /// <param name="gradY">Gradient of the value.</param>
    /// <param name="inputs">Leaves; not changed.</param>
    public static (Tensor Y, Tensor[] Gradients) Differentiate(Func<Tensor[], Tensor> function, Tensor gradY, params Tensor[] inputs)
    {
        Tensor[] leaves = [.. inputs.Select(input => input.detach().clone().requires_grad_())];
        Tensor y = function(leaves);
        (y * gradY).sum().backward();
        return (y.detach(), [.. leaves.Select(leaf => leaf.grad ?? zeros_like(leaf))]);
    }
}
