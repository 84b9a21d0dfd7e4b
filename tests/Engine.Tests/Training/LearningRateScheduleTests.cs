using Offload.Engine.Training;

namespace Offload.Engine.Tests.Training;

public class LearningRateScheduleTests
{
    [Theory]
    [InlineData(ScheduleKind.Linear)]
    [InlineData(ScheduleKind.Cosine)]
    [InlineData(ScheduleKind.Constant)]
    public void At_WarmUp_RisesEvenlyAndReachesThePeakAfterIt(ScheduleKind kind)
    {
        var schedule = new LearningRateSchedule(kind, 1, WarmupSteps: 3, TotalSteps: 10);

        Assert.Equal([0.25, 0.5, 0.75, 1], Enumerable.Range(0, 4).Select(step => schedule.At(step)));
    }

    [Fact]
    public void At_AfterWarmUp_HasTheShape()
    {
        Assert.Equal([4, 3, 2, 1, 0, 0], Values(ScheduleKind.Linear));
        Assert.Equal([4, 4, 4, 4, 4, 4], Values(ScheduleKind.Constant));
        double[] cosine = Values(ScheduleKind.Cosine);
        double[] expected = [4, 2 + Math.Sqrt(2), 2, 2 - Math.Sqrt(2), 0, 0];
        Assert.All(cosine.Zip(expected), pair => Assert.Equal(pair.Second, pair.First, 1e-12));

        static double[] Values(ScheduleKind kind)
        {
            var schedule = new LearningRateSchedule(kind, 4, WarmupSteps: 0, TotalSteps: 4);
            return [.. Enumerable.Range(0, 6).Select(step => schedule.At(step))];
        }
    }

    [Fact]
    public void At_WarmUpIsTheWholeRun_StaysBelowThePeak()
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Linear, 1, WarmupSteps: 4, TotalSteps: 4);

        Assert.Equal([0.2, 0.4, 0.6, 0.8], Enumerable.Range(0, 4).Select(step => schedule.At(step)), (a, b) => Math.Abs(a - b) < 1e-15);
    }
}
