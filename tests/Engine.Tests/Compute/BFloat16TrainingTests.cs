using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;

namespace Offload.Engine.Tests.Compute;

public sealed class BFloat16TrainingTests
{
    [Fact]
    public void Training_InBFloat16_FollowsFloat32()
    {
        double[] expected = Train(ComputeType.Float32);
        double[] actual = Train(ComputeType.BFloat16);

        Assert.True(expected[^1] < 0.5 * expected[0], $"the loss must fall clearly: from {expected[0]} to {expected[^1]}");
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(actual[i] - expected[i]) / expected[i];
            Assert.True(error < 0.02, $"steps {10 * i} to {(10 * i) + 9}: {actual[i]} in bf16, {expected[i]} in float32, {error:P1} apart");
        }
    }

    /// <returns>Mean losses of ten steps each, over a hundred.</returns>
    private static double[] Train(ComputeType type)
    {
        using var threads = new ParallelRanges(2);
        using ResidentModel model = SmallLlama.Create(type, threads);
        var random = new Random(2);
        var options = new AdamWOptions(0.9, 0.95, 1e-8, 0.01);
        var losses = new double[10];
        for (int step = 0; step < 100; step++)
        {
            StepGradients gradients = model.ComputeGradients(
                [SyntheticText.Batch(random, 5, SmallLlama.Tokens), SyntheticText.Batch(random, 3, SmallLlama.Tokens)]);
            Assert.True(gradients.IsFinite);
            losses[step / 10] += gradients.Loss / 10;
            var update = new AdamWStep(options, learningRate: 3e-3, step + 1, GradientNorm.ClipScale(gradients.Norm, 1.0));
            model.Update(new UpdateStep(update, update, WeightDecayScope.All));
        }

        return losses;
    }
}
