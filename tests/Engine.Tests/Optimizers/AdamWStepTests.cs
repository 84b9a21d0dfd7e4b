using Offload.Engine.Optimizers;
using Offload.Profiles;

namespace Offload.Engine.Tests.Optimizers;

public sealed class AdamWStepTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    [InlineData(100_000_000)]
    public void Constants_AnyStep_AreTheFormulasRoundedOnce(long step)
    {
        var constants = new AdamWStep(new AdamWOptions(0.9, 0.999, 1e-8, 0.1), 2e-4, step, 0.5f);
        Assert.Equal(0.5f, constants.GradientScale);
        Assert.Equal((float)(1 - (2e-4 * 0.1)), constants.WeightFactor);
        Assert.False(constants.LerpFromGradient);
        Assert.Equal((float)(1 - 0.9), constants.LerpFactor);
        Assert.Equal(0.999f, constants.SecondMomentDecay);
        Assert.Equal((float)(1 - 0.999), constants.SecondMomentGain);
        Assert.Equal((float)(1 / Math.Sqrt(1 - Math.Pow(0.999, step))), constants.InverseRootCorrection);
        Assert.Equal(1e-8f, constants.Epsilon);
        Assert.Equal((float)(-2e-4 / (1 - Math.Pow(0.9, step))), constants.NegativeStepSize);
    }

    [Fact]
    public void Constants_SmallBeta1_InterpolateFromTheGradient()
    {
        var constants = new AdamWStep(new AdamWOptions(beta1: 0.25), 1e-3, 1);
        Assert.True(constants.LerpFromGradient);
        Assert.Equal(-0.25f, constants.LerpFactor);
        (_, float first, _) = AdamWReference.UpdateElement(new AdamWStep(new AdamWOptions(beta1: 0), 1e-3, 1), 1e-6f, 1f, 1e6f, 0f);
        Assert.Equal(1e-6f, first); // nothing of the old moment, and the gradient whole
    }

    [Theory]
    [InlineData(1.0, 0.999, 1e-8, 0.0)]
    [InlineData(-0.1, 0.999, 1e-8, 0.0)]
    [InlineData(0.9, 0.99999999999, 1e-8, 0.0)]
    [InlineData(0.9, double.NaN, 1e-8, 0.0)]
    [InlineData(0.9, 0.999, 0.0, 0.0)]
    [InlineData(0.9, 0.999, 1e-300, 0.0)]
    [InlineData(0.9, 0.999, 1e-8, -0.1)]
    [InlineData(0.9, 0.999, 1e-8, double.PositiveInfinity)]
    public void Options_OutOfRange_AreRefused(double beta1, double beta2, double epsilon, double weightDecay)
    {
        Assert.Throws<UsageException>(() => new AdamWOptions(beta1, beta2, epsilon, weightDecay));
    }

    [Fact]
    public void Step_BadLearningRateOrNumber_IsRefused()
    {
        var options = new AdamWOptions();
        Assert.Throws<UsageException>(() => new AdamWStep(options, double.NaN, 1));
        Assert.Throws<UsageException>(() => new AdamWStep(options, -1e-3, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamWStep(options, 1e-3, 0));
    }
}
