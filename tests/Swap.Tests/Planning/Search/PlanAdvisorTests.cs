using Offload.Swap.Planning.Search;

namespace Offload.Swap.Tests.Planning.Search;

public sealed class PlanAdvisorTests
{
    [Fact]
    public void Advise_DrivesAreTheBound_NamesWhatRelievesThem()
    {
        PlanRequest request = DenseModel.Request(numLayers: 32, hidden: 4096, cpuGiB: 64, hasDrives: true) with { SequencesPerStep = 8 };

        IReadOnlyList<PlanAdvice> advice = PlanAdvisor.Advise(request, Planner.Plan(request).Require());

        Assert.InRange(advice.Count, 2, 3);
        Assert.Contains(advice, item => item.Change == "twice the drives" && item.SavedFraction is > 0.3 and < 0.6);
        Assert.Contains(advice, item => item.Change == "twice the tokens per step" && item.SavedFraction is > 0.3 and < 0.6);
        Assert.Equal(advice.OrderByDescending(item => item.SavedFraction), advice);
    }

    [Fact]
    public void Advise_AllOnTheGpu_NamesTheGpu()
    {
        PlanRequest request = DenseModel.Request(numLayers: 4, hidden: 1024, cpuGiB: 64, hasDrives: false);

        IReadOnlyList<PlanAdvice> advice = PlanAdvisor.Advise(request, Planner.Plan(request).Require());

        Assert.Equal("a GPU that computes twice as fast", advice[0].Change);
        Assert.InRange(advice[0].SavedFraction, 0.4, 0.51);
    }
}
