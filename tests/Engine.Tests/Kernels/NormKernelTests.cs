using Offload.Engine.Compute;
using Offload.Engine.Tests.Compute;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Kernels;

public sealed class NormKernelTests
{
    private const double Epsilon = 1e-5;

    public static TheoryData<int, int> Shapes { get; } = new()
    {
        { 1, 1 }, { 5, 1 }, { 1, 7 }, { 3, 8 }, { 2, 9 }, { 64, 31 }, { 1, 300 }, { 700, 129 }, { 9, 1024 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void ForwardAndBackward_RandomRows_AgreeWithTheFormula(int rows, int width)
    {
        foreach (ScalarType type in Tensors.ComputeTypes)
        {
            foreach (double scale in (double[])[1, 1e-4, 1e4])
            {
                var random = new Random((rows * 1000) + width);
                using DisposeScope scope = NewDisposeScope();
                Check(Tensors.Normal(random, type, scale, mean: scale / 2, rows, width), random, layerNorm: false);
                Check(Tensors.Normal(random, type, scale, mean: scale / 2, rows, width), random, layerNorm: true);
            }
        }
    }

    [Fact]
    public void ForwardAndBackward_RowOfZeros_StaysFinite()
    {
        foreach (ScalarType type in Tensors.ComputeTypes)
        {
            foreach (bool layerNorm in (bool[])[false, true])
            {
                using DisposeScope scope = NewDisposeScope();
                var random = new Random(4);
                Tensor x = Tensors.Normal(random, type, 6, 21);
                x[2].zero_();
                Tensor y = Check(x, random, layerNorm);
                Assert.All(Tensors.Values(y), value => Assert.True(float.IsFinite(value)));
            }
        }
    }

    [Fact]
    public void Backward_MoreRowsThanColumnSums_AgreesWithTheFormula()
    {
        using DisposeScope scope = NewDisposeScope();
        const int rows = 300;
        // One row is a block of its own at this width; blocks of the backward are bounded, so here they hold two.
        const int width = 1 << 15;
        Tensor x = arange(rows * width).to(ScalarType.Float32).sin().view(rows, width);
        Tensor gradY = (arange(rows * width).to(ScalarType.Float32) * 0.7).cos().view(rows, width);
        Tensor weight = arange(width).to(ScalarType.Float32).cos();
        Tensor[] weightSums = [zeros(width), zeros(width)];
        Tensor[] biasSums = [zeros(width), zeros(width)];
        Tensor gradX = NormOp.Backward(x, weight, hasBias: true, Epsilon, gradY, weightSums[0], biasSums[0]);
        Tensor expected = NormReference.Backward(x, weight, hasBias: true, Epsilon, gradY, weightSums[1], biasSums[1]);
        Assert.InRange(((gradX - expected).norm() / expected.norm()).item<float>(), 0, 1e-5);
        Tensors.AssertNear(weightSums[1], weightSums[0], 1e-5, "gradient of the weight");
        Tensors.AssertNear(biasSums[1], biasSums[0], 1e-5, "gradient of the bias");
    }

    private static Tensor Check(Tensor x, Random random, bool layerNorm)
    {
        ScalarType type = x.dtype;
        long width = x.shape[1];
        double tolerance = type == ScalarType.Float32 ? 1e-5 : Tensors.BFloat16Step;
        string what = $"{type} {x.shape[0]} x {width} {(layerNorm ? "LayerNorm" : "RMSNorm")}";
        Tensor weight = Tensors.Normal(random, type, scale: 0.2, mean: 1, width);
        Tensor? bias = layerNorm ? Tensors.Normal(random, type, width) : null;
        Tensor gradY = Tensors.Normal(random, type, x.shape);
        Tensor weightStart = Tensors.Normal(random, ScalarType.Float32, width);
        Tensor biasStart = Tensors.Normal(random, ScalarType.Float32, width);
        (Tensor[] Weight, Tensor[] Bias) sums = ([weightStart.clone(), weightStart.clone()], [biasStart.clone(), biasStart.clone()]);

        Tensor y = NormOp.Forward(x, weight, bias, Epsilon);
        Tensors.AssertClose(NormReference.Forward(x, weight, bias, Epsilon), y, tolerance, what);
        Tensor gradX = NormOp.Backward(x, weight, layerNorm, Epsilon, gradY, sums.Weight[0], layerNorm ? sums.Bias[0] : null);
        Tensor expected = NormReference.Backward(x, weight, layerNorm, Epsilon, gradY, sums.Weight[1], layerNorm ? sums.Bias[1] : null);
        // Of one or two columns the gradient of x is the difference of nearly equal numbers: measured against what is subtracted.
        double scale = Math.Abs(gradY.to(ScalarType.Float32).max().item<float>()) / Math.Sqrt((double)(x.to(ScalarType.Float32) * x.to(ScalarType.Float32)).mean().item<float>());
        Tensors.AssertNear(expected, gradX, tolerance, $"{what} gradient of x", floor: width <= 9 ? scale * Math.Sqrt(x.numel()) : 0);
        Tensors.AssertClose(sums.Weight[1], sums.Weight[0], 2e-5, $"{what} gradient of the weight");
        Tensors.AssertClose(sums.Bias[1], sums.Bias[0], 2e-5, $"{what} gradient of the bias");
        return y;
    }
}
