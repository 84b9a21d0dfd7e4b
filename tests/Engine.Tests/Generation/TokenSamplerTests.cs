using Offload.Engine.Generation;

namespace Offload.Engine.Tests.Generation;

public class TokenSamplerTests
{
    // Probabilities 0.5, 0.3, 0.2 in the order of ids 2, 0, 1.
    private static readonly float[] Logits = [MathF.Log(0.3f), MathF.Log(0.2f), MathF.Log(0.5f)];

    [Fact]
    public void Next_TemperatureZero_IsTheLikeliestAndTheFirstOfEquals()
    {
        var sampler = new TokenSampler(temperature: 0, topP: 1, seed: 0);

        Assert.Equal(2, sampler.Next(Logits));
        Assert.Equal(1, sampler.Next([0, 5, 5, 3]));
    }

    [Theory]
    [InlineData(0.49, new[] { 2 })]
    [InlineData(0.51, new[] { 0, 2 })]
    [InlineData(0.79, new[] { 0, 2 })]
    [InlineData(0.81, new[] { 0, 1, 2 })]
    [InlineData(1, new[] { 0, 1, 2 })]
    [InlineData(1e-9, new[] { 2 })]
    public void Next_TopP_TakesTheSmallestSetThatReachesIt(double topP, int[] expected)
    {
        var sampler = new TokenSampler(temperature: 1, topP, seed: 1);

        Assert.Equal(expected, Enumerable.Range(0, 500).Select(_ => sampler.Next(Logits)).Distinct().Order());
    }

    [Theory]
    [InlineData(1, 0.5, 0.3, 0.2)]
    [InlineData(0.5, 0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38)] // probabilities squared
    public void Next_ManyDraws_FollowTheProbabilities(double temperature, double third, double first, double second)
    {
        const int NumDraws = 20_000;
        var sampler = new TokenSampler(temperature, topP: 1, seed: 2);
        int[] counts = new int[3];
        for (int draw = 0; draw < NumDraws; draw++)
        {
            counts[sampler.Next(Logits)]++;
        }

        // Four standard errors.
        double error = 4 * Math.Sqrt(0.25 / NumDraws);
        Assert.Equal(first, counts[0] / (double)NumDraws, error);
        Assert.Equal(second, counts[1] / (double)NumDraws, error);
        Assert.Equal(third, counts[2] / (double)NumDraws, error);
    }

    [Fact]
    public void Next_SameSeed_ChoosesTheSame()
    {
        int[] Draw(long seed)
        {
            var sampler = new TokenSampler(1, 1, seed);
            return [.. Enumerable.Range(0, 50).Select(_ => sampler.Next(Logits))];
        }

        Assert.Equal(Draw(7), Draw(7));
        Assert.NotEqual(Draw(7), Draw(8));
    }
}
