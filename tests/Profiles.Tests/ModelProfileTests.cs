namespace Offload.Profiles.Tests;

public class ModelProfileTests
{
    [Fact]
    public void FlopsPerToken_MatricesAndAttention_Add()
    {
        var profile = new ModelProfile(NumParameters: 1100, NumMatrixParameters: 1000, NumLayers: 3, AttentionWidth: 32);

        // Forward and backward: 2 + 4 for each matrix element; scores and values, 2 * 2 * T/2 * width forward, twice that backward.
        Assert.Equal(6000, profile.FlopsPerToken(0));
        Assert.Equal(6000 + (3 * (2 + 4) * 32 * 64), profile.FlopsPerToken(64));
    }
}
