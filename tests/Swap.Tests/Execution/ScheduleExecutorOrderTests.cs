using FsCheck.Xunit;
using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Tests.Planning;
using Offload.Swap.Tests.Schedules;

namespace Offload.Swap.Tests.Execution;

public sealed class ScheduleExecutorOrderTests
{
    [Property(MaxTest = 150)]
    public void Run_RandomProgram_OverlappedEqualsProgramOrder(int seed) => AssertEqualsProgramOrder(RandomSchedule.Create(seed), numPeriods: 12);

    [Property(MaxTest = 60)]
    public void Run_AnyPlan_OverlappedEqualsProgramOrder(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
        AssertEqualsProgramOrder(SwapSchedules.Train(work, plan), numPeriods: 4);
    }

    [Fact]
    public void Run_ThousandsOfPeriodsReleasedByAnother_EqualsProgramOrder()
    {
        const int NumPeriods = 4000;
        StepSchedule schedule = RandomSchedule.Create(7);
        ulong[] expected = MarkHandler.InProgramOrder(schedule, NumPeriods);
        var handler = new MarkHandler(schedule, NumPeriods, spin: 0);

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(schedule, handler);
            var releaser = new Thread(() =>
            {
                for (int i = 0; i < NumPeriods; i++)
                {
                    executor.Release();
                    if (i % 64 == 0)
                    {
                        Thread.Yield();
                    }
                }
            });
            releaser.Start();
            releaser.Join();
            executor.Wait(NumPeriods - 1);
        });

        Assert.Null(handler.Problem);
        Assert.Equal(expected, handler.Seen);
    }

    [Fact]
    public void Release_Sequential_RunsInProgramOrderOnOneThread()
    {
        StepSchedule schedule = RandomSchedule.Create(3);
        var order = new List<int>();
        var threads = new HashSet<int>();

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(
                schedule,
                new DelegateHandler((operation, _, _) =>
                {
                    order.Add(operation);
                    threads.Add(Environment.CurrentManagedThreadId);
                }),
                new ExecutorOptions { IsSequential = true });
            Assert.Equal(0, executor.Release());
            Assert.Equal(1, executor.Release());
            executor.Drain();
        });

        int[] program = [.. Enumerable.Range(0, schedule.Operations.Count)];
        Assert.Equal([.. program, .. program], order);
        Assert.Single(threads);
    }

    private static void AssertEqualsProgramOrder(StepSchedule schedule, int numPeriods)
    {
        ulong[] expected = MarkHandler.InProgramOrder(schedule, numPeriods);
        foreach (bool isSequential in new[] { false, true })
        {
            var handler = new MarkHandler(schedule, numPeriods, spin: isSequential ? 0 : 60);
            InTime.Run(() =>
            {
                using var executor = new ScheduleExecutor(schedule, handler, new ExecutorOptions { IsSequential = isSequential });
                for (int i = 0; i < numPeriods; i++)
                {
                    Assert.Equal(i, executor.Release());
                    if (i % 3 == 2)
                    {
                        executor.Wait(i - 1);
                    }
                }

                executor.Drain();
            });

            Assert.Null(handler.Problem);
            Assert.Equal(expected, handler.Seen);
        }
    }
}
