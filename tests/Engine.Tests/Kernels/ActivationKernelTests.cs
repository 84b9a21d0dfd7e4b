using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Tests.Compute;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Kernels;

public sealed class ActivationKernelTests
{
    /// <summary>Below it, either program may have flushed a result to zero, or lost its last digits.</summary>
    private const float SmallestNormal = 1.2e-38f * 128;

    public static TheoryData<object, bool, int, int> Cases { get; } = CreateCases();

    [Theory]
    [MemberData(nameof(Cases))]
    public void ForwardAndBackward_RandomRows_AgreeWithTheFormula(object value, bool gated, int rows, int width)
    {
        var kind = (ActivationKind)value;
        foreach (ScalarType type in Tensors.ComputeTypes)
        {
            using DisposeScope scope = NewDisposeScope();
            var random = new Random((rows * 100) + width);
            Tensor up = Tensors.Normal(random, type, scale: 3, mean: 0, rows, gated ? 2 * width : width);
            Check(up, Tensors.Normal(random, type, rows, width), kind, gated);
        }
    }

    [Theory]
    [InlineData(ActivationKind.Silu)]
    [InlineData(ActivationKind.GeluTanh)]
    [InlineData(ActivationKind.Relu)]
    public void ForwardAndBackward_ExtremeArguments_AgreeWithTheFormula(object value)
    {
        var kind = (ActivationKind)value;
        float[] arguments = [0, -0f, 1e-30f, -1e-30f, 1e-40f, 5, -5, 20, -20, 88, -88, 104, -104, 1e4f, -1e4f, 1e9f, -1e9f, float.NaN];
        foreach (ScalarType type in Tensors.ComputeTypes)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor up = tensor(arguments).view(1, -1).to(type);
            // Each alone, so that a large neighbour does not hide a small one's error.
            for (int i = 0; i < arguments.Length; i++)
            {
                Check(up.narrow(1, i, 1).contiguous(), ones([1, 1], type), kind, gated: false);
            }

            // And eight at a time.
            Check(up.narrow(1, 5, 8).contiguous(), ones([1, 8], type), kind, gated: false);
        }
    }

    private static void Check(Tensor up, Tensor gradY, ActivationKind kind, bool gated)
    {
        double tolerance = up.dtype == ScalarType.Float32 ? 1e-5 : Tensors.BFloat16Step;
        string what = $"{kind} {up.dtype} gated {gated} of {up.shape[0]} x {up.shape[1]}";
        Tensor expected = ActivationReference.Forward(up, kind, gated);
        Tensor actual = ActivationOp.Forward(up, kind, gated);
        Tensor expectedGradient = ActivationReference.Backward(up, gradY, kind, gated);
        Tensor actualGradient = ActivationOp.Backward(up, gradY, kind, gated);
        if (up.numel() > 1)
        {
            Tensors.AssertClose(expected, actual, tolerance, what);
            Tensors.AssertClose(expectedGradient, actualGradient, tolerance, $"{what}, gradient");
            return;
        }

        float argument = up.to(ScalarType.Float32).item<float>();
        AssertOne(expected, actual, tolerance, $"{what}, {argument}");
        AssertOne(expectedGradient, actualGradient, tolerance, $"{what}, gradient at {argument}");
    }

    private static void AssertOne(Tensor expected, Tensor actual, double tolerance, string what)
    {
        float a = Tensors.Values(expected)[0];
        float b = Tensors.Values(actual)[0];
        Assert.True(a.Equals(b) || Math.Abs(a - b) <= (tolerance * Math.Abs(a)) + SmallestNormal, $"{what}: expected {a}, found {b}");
    }

    private static TheoryData<object, bool, int, int> CreateCases()
    {
        var cases = new TheoryData<object, bool, int, int>();
        foreach (ActivationKind kind in (ActivationKind[])[ActivationKind.Silu, ActivationKind.GeluTanh, ActivationKind.Relu])
        {
            foreach ((int rows, int width) in ((int, int)[])[(1, 1), (4, 3), (1, 8), (5, 17), (300, 131)])
            {
                cases.Add(kind, false, rows, width);
                cases.Add(kind, true, rows, width);
            }
        }

        return cases;
    }
}
