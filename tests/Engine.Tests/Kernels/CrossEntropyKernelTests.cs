using Offload.Engine.Compute;
using Offload.Engine.Tests.Compute;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Tests.Kernels;

public sealed class CrossEntropyKernelTests
{
    private const float GradScale = 1f / 37;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 2)]
    [InlineData(5, 7)]
    [InlineData(3, 8)]
    [InlineData(16, 9)]
    [InlineData(200, 1003)]
    public void Apply_RandomLogits_AgreesWithTheFormula(int rows, int vocabularySize)
    {
        foreach (ScalarType type in Tensors.ComputeTypes)
        {
            foreach (double scale in (double[])[0, 1, 30, 1e4])
            {
                using DisposeScope scope = NewDisposeScope();
                var random = new Random((rows * 10) + vocabularySize);
                Tensor logits = Tensors.Normal(random, type, scale, mean: scale, rows, vocabularySize);
                // About one in four is not counted.
                int[] targets = [.. Enumerable.Range(0, rows).Select(_ => random.Next(4) == 0 ? -100 : random.Next(vocabularySize))];
                Check(logits, targets);
            }
        }
    }

    [Fact]
    public void Apply_LogitsOfMinusInfinity_HaveNoProbability()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor logits = Tensors.Normal(new Random(5), ScalarType.Float32, 3, 19);
        logits[0, 4] = float.NegativeInfinity;
        logits[1, 17] = float.NegativeInfinity;
        Tensor gradient = Check(logits, [3, 2, 1]);
        Assert.Equal(0, gradient[0, 4].item<float>());
        Assert.Equal(0, gradient[1, 17].item<float>());
    }

    [Fact]
    public void Apply_TargetOfMinusInfinity_LosesInfinitely()
    {
        using Tensor logits = zeros(1, 9);
        logits[0, 2] = float.NegativeInfinity;
        Assert.Equal(double.PositiveInfinity, CrossEntropyOp.Apply(logits, [2], gradScale: null));
    }

    [Fact]
    public void Apply_RowNotCounted_HasZeroGradientWhateverItHolds()
    {
        foreach (ScalarType type in Tensors.ComputeTypes)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor logits = Tensors.Normal(new Random(6), type, 3, 21);
            logits[1].fill_(float.NaN);
            Tensor counted = logits.narrow(0, 0, 1).clone();
            double loss = CrossEntropyOp.Apply(logits, [4, -100, -1], GradScale);
            Assert.Equal(CrossEntropyOp.Apply(counted, [4], GradScale), loss);
            Assert.All(Tensors.Values(logits.narrow(0, 1, 2)), value => Assert.Equal(0, value));
            Assert.Equal(Tensors.Values(counted), Tensors.Values(logits.narrow(0, 0, 1)));
        }
    }

    [Fact]
    public void Apply_LossAlone_LeavesTheLogits()
    {
        using Tensor logits = Tensors.Normal(new Random(7), ScalarType.Float32, 4, 30);
        using Tensor start = logits.clone();
        CrossEntropyOp.Apply(logits, [1, 2, -100, 3], gradScale: null);
        Assert.Equal(Tensors.Values(start), Tensors.Values(logits));
    }

    [Fact]
    public void Apply_LargeShiftOfAllLogits_ChangesNothing()
    {
        using DisposeScope scope = NewDisposeScope();
        // Multiples of 1/8 stay exact beside 2^20: softmax does not see the shift, and the result must not either.
        Tensor logits = (Tensors.Normal(new Random(8), ScalarType.Float32, 5, 40) * 8).round() / 8;
        Tensor shifted = logits + (1 << 20);
        int[] targets = [0, 9, 39, 17, 3];
        double loss = CrossEntropyOp.Apply(logits, targets, GradScale);
        Assert.Equal(loss, CrossEntropyOp.Apply(shifted, targets, GradScale), 1e-9);
        Assert.Equal(Tensors.Values(logits), Tensors.Values(shifted));
    }

    [Fact]
    public void Apply_TargetOutsideTheVocabulary_IsRefused()
    {
        using Tensor logits = zeros(2, 9);
        Assert.Throws<ArgumentOutOfRangeException>(() => CrossEntropyOp.Apply(logits, [0, 9], GradScale));
        Assert.Throws<ArgumentOutOfRangeException>(() => CrossEntropyOp.Apply(logits, [0], GradScale));
    }

    private static Tensor Check(Tensor logits, int[] targets)
    {
        double tolerance = logits.dtype == ScalarType.Float32 ? 1e-5 : Tensors.BFloat16Step;
        string what = $"{logits.dtype} {logits.shape[0]} x {logits.shape[1]}";
        Tensor expected = logits.clone();
        double expectedLoss = CrossEntropyReference.Apply(expected, targets, GradScale);
        Assert.Equal(expectedLoss, CrossEntropyOp.Apply(logits.clone(), targets, gradScale: null), Math.Max(1e-6, 1e-5 * expectedLoss));
        Tensor actual = logits.clone();
        Assert.Equal(expectedLoss, CrossEntropyOp.Apply(actual, targets, GradScale), Math.Max(1e-6, 1e-5 * expectedLoss));
        float[] expectedValues = Tensors.Values(expected);
        float[] actualValues = Tensors.Values(actual);
        for (int i = 0; i < expectedValues.Length; i++)
        {
            // Absolute, as probabilities are; a probability of one less one is cancellation in either program.
            Assert.Equal(expectedValues[i], actualValues[i], tolerance * GradScale);
        }

        return actual;
    }
}
