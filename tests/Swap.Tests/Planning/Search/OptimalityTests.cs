namespace Offload.Swap.Tests.Planning.Search;

public sealed class OptimalityTests
{
    // The acceptance check "planner-optimum" has 120 of them.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void Plan_SmallModel_IsCloseToTheBestOfAllPlans(int seed)
    {
        OptimalityCheck.Result result = OptimalityCheck.Run(seed);

        Assert.True(result.IsWithin, result.ToString());
        Assert.True(result.NumPlans > 0);
    }
}
