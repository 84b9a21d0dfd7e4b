using FsCheck.Xunit;
using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Tests.Planning;
using Offload.Swap.Tests.Schedules;

namespace Offload.Swap.Tests.Execution;

public sealed class DeviceLanesOrderTests
{
    private static readonly Lane[] OfGpu = [Lane.Compute, Lane.H2D, Lane.D2H];

    [Property(MaxTest = 100)]
    public void Run_RandomProgramAndLanes_EqualsProgramOrder(int seed)
    {
        var random = new Random(seed);
        Lane[] lanes = [.. Enum.GetValues<Lane>().Where(_ => random.Next(2) == 0)];
        AssertEqualsProgramOrder(RandomSchedule.Create(seed), lanes, maxAhead: random.Next(1, 10), numPeriods: 12);
    }

    [Property(MaxTest = 40)]
    public void Run_AnyPlan_EqualsProgramOrder(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
        AssertEqualsProgramOrder(SwapSchedules.Train(work, plan), OfGpu, maxAhead: 8, numPeriods: 4);
    }

    [Fact]
    public void Run_ThousandsOfPeriods_EqualsProgramOrder()
    {
        const int NumPeriods = 1000;
        StepSchedule schedule = RandomSchedule.Create(7);
        var handler = new MarkHandler(schedule, NumPeriods, spin: 0);

        Run(schedule, handler, OfGpu, maxAhead: 8, isSequential: false, NumPeriods);

        Assert.Equal(MarkHandler.InProgramOrder(schedule, NumPeriods), handler.Seen);
    }

    private static void AssertEqualsProgramOrder(StepSchedule schedule, Lane[] lanes, int maxAhead, int numPeriods)
    {
        ulong[] expected = MarkHandler.InProgramOrder(schedule, numPeriods);
        foreach (bool isSequential in new[] { false, true })
        {
            var handler = new MarkHandler(schedule, numPeriods, spin: isSequential ? 0 : 60);
            Run(schedule, handler, lanes, maxAhead, isSequential, numPeriods);
            Assert.Equal(expected, handler.Seen);
        }
    }

    private static void Run(StepSchedule schedule, MarkHandler handler, Lane[] lanes, int maxAhead, bool isSequential, int numPeriods)
    {
        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, handler, lanes, maxAhead);
            using (var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { IsSequential = isSequential, Devices = streams, MaxAhead = maxAhead }))
            {
                for (int i = 0; i < numPeriods; i++)
                {
                    Assert.Equal(i, executor.Release());
                    if (i % 3 == 2)
                    {
                        executor.Wait(i - 1);
                    }
                }

                executor.Drain();
                Assert.True(streams.IsIdle);
            }

            Assert.Null(streams.Problem);

            // Of a lane that waits for another twice, the second time for more.
            foreach (IGrouping<(Lane, Lane), (Lane Lane, Lane Other, long Count)> pair in streams.Awaits.GroupBy(wait => (wait.Lane, wait.Other)))
            {
                Assert.Equal(pair.Select(wait => wait.Count).Distinct().Order(), pair.Select(wait => wait.Count));
            }

            Assert.True(!isSequential || streams.Awaits.Count == 0);
        });
        Assert.Null(handler.Problem);
    }
}
