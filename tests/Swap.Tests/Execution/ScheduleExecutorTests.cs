using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Tests.Planning;

namespace Offload.Swap.Tests.Execution;

public sealed class ScheduleExecutorTests
{
    [Fact]
    public void Wait_OperationFailsOfEveryKindInEveryLane_ThrowsItsErrorAndEnds()
    {
        var kinds = new HashSet<OperationKind>();
        for (int seed = 0; seed < 40; seed++)
        {
            (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
            StepSchedule schedule = SwapSchedules.Train(work, plan);
            foreach (int failing in Enumerable.Range(0, schedule.Operations.Count).Where(i => kinds.Add(schedule.Operations[i].Kind)))
            {
                AssertFails(schedule, failing, isSequential: false);
                AssertFails(schedule, failing, isSequential: true);
            }
        }

        // All that the builder of these plans makes.
        Assert.Superset(
            new HashSet<OperationKind>
            {
                OperationKind.Forward, OperationKind.HeadLoss, OperationKind.Backward, OperationKind.RoundGradients, OperationKind.LoadWeights,
                OperationKind.LoadActivations, OperationKind.SaveActivations, OperationKind.SaveGradients, OperationKind.ReadWeights, OperationKind.ReadStates,
                OperationKind.ReadActivations, OperationKind.WriteStates, OperationKind.WriteActivations, OperationKind.GradientNorm, OperationKind.DecideStep,
                OperationKind.UpdateStates,
            },
            kinds);
    }

    [Theory]
    [InlineData(OperationKind.Forward, OperationKind.LoadWeights)]
    [InlineData(OperationKind.LoadWeights, OperationKind.SaveGradients)]
    [InlineData(OperationKind.SaveGradients, OperationKind.ReadStates)]
    [InlineData(OperationKind.ReadStates, OperationKind.WriteStates)]
    [InlineData(OperationKind.WriteStates, OperationKind.UpdateStates)]
    [InlineData(OperationKind.UpdateStates, OperationKind.Forward)]
    public void Wait_OneLaneFailsWhileAnotherBlocks_CancelsTheOther(OperationKind failing, OperationKind blocking)
    {
        StepSchedule schedule = Schedule.Independent(failing, blocking);
        using var isBlocking = new ManualResetEventSlim();
        bool isCancelled = false;
        var handler = new DelegateHandler((operation, _, cancellation) =>
        {
            if (operation == 0)
            {
                isBlocking.Wait(CancellationToken.None);
                throw new IOException("the first error");
            }

            isBlocking.Set();
            isCancelled = cancellation.WaitHandle.WaitOne(TimeSpan.FromSeconds(9));
            cancellation.ThrowIfCancellationRequested();
        });

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(schedule, handler);
            executor.Release();
            for (int i = 0; i < 3; i++)
            {
                Assert.Equal("the first error", Assert.Throws<IOException>(() => executor.Wait(0)).Message);
            }

            executor.Dispose();
            Assert.True(isCancelled);
        });
    }

    [Fact]
    public void Dispose_WhileLanesRunAndACallerWaits_WaitsForHandlersAndFreesTheCaller()
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.LoadWeights);
        using var begun = new CountdownEvent(2);
        int numInside = 0;
        var handler = new DelegateHandler((_, _, cancellation) =>
        {
            Interlocked.Increment(ref numInside);
            begun.Signal();
            cancellation.WaitHandle.WaitOne();
            Thread.Sleep(30);
            Interlocked.Decrement(ref numInside);
        });
        Exception? found = null;

        InTime.Run(() =>
        {
            var executor = new ScheduleExecutor(schedule, handler);
            executor.Release();
            var caller = new Thread(() => found = Record.Exception(() => executor.Wait(0)));
            caller.Start();
            begun.Wait(CancellationToken.None);
            executor.Dispose();
            Assert.Equal(0, numInside);
            caller.Join();
            executor.Dispose();
            Assert.Throws<ObjectDisposedException>(() => executor.Release());
            Assert.Throws<ObjectDisposedException>(executor.Drain);
        });

        Assert.IsType<ObjectDisposedException>(found);
    }

    [Fact]
    public void Dispose_AtAnyMoment_Ends()
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(5);
        StepSchedule schedule = SwapSchedules.Train(work, plan);

        for (int i = 0; i < 200; i++)
        {
            int spin = i * 20;
            InTime.Run(() =>
            {
                using var executor = new ScheduleExecutor(schedule, new DelegateHandler((_, _, _) => { }));
                executor.Release();
                executor.Release();
                Thread.SpinWait(spin);
            });
        }
    }

    [Fact]
    public void WaitFor_OperationThatNothingHolds_ReturnsWhileOthersRun()
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.LoadWeights);
        using var isFree = new ManualResetEventSlim();
        int numDone = 0;
        var handler = new DelegateHandler((operation, _, cancellation) =>
        {
            if (operation == 0)
            {
                isFree.Wait(cancellation);
            }

            Interlocked.Increment(ref numDone);
        });

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(schedule, handler);
            executor.Release();
            executor.Release();
            executor.WaitFor(1, 1);
            Assert.Equal(2, Volatile.Read(ref numDone));
            isFree.Set();
            executor.WaitFor(0, 0);
            executor.Drain();
            Assert.Equal(4, numDone);
        });
    }

    [Fact]
    public void WaitFor_LastOperationOfALane_ReturnsOnlyWhenItIsDone()
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.Backward);
        long done = -1;
        var handler = new DelegateHandler((operation, period, _) =>
        {
            Thread.Sleep(10);
            Volatile.Write(ref done, (2 * period) + operation);
        });

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(schedule, handler);
            for (int i = 0; i < 3; i++)
            {
                executor.Release();
                executor.WaitFor(0, i);
                Assert.True(Volatile.Read(ref done) >= 2 * i);
                executor.WaitFor(1, i);
                Assert.True(Volatile.Read(ref done) >= (2 * i) + 1);
            }
        });
    }

    [Fact]
    public void Wait_PeriodThatIsNotReleased_Throws()
    {
        using var executor = new ScheduleExecutor(Schedule.Independent(OperationKind.Forward), new DelegateHandler((_, _, _) => { }));

        Assert.Throws<ArgumentOutOfRangeException>(() => executor.Wait(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => executor.WaitFor(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => executor.WaitFor(1, 0));
    }

    [Fact]
    public void Wait_CalledByALane_IsRefused()
    {
        ScheduleExecutor? executor = null;
        using var isThere = new ManualResetEventSlim();
        InTime.Run(() =>
        {
            executor = new ScheduleExecutor(
                Schedule.Independent(OperationKind.Forward),
                new DelegateHandler((_, _, cancellation) =>
                {
                    isThere.Wait(cancellation);
                    executor!.Wait(0);
                }));
            isThere.Set();
            using (executor)
            {
                executor.Release();
                Assert.Contains("wait for itself", Assert.Throws<InvalidOperationException>(executor.Drain).Message, StringComparison.Ordinal);
            }
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OnLaneStart_LanesWithOperations_IsCalledFirstOnTheirThreads(bool isSequential)
    {
        var threadOfLane = new System.Collections.Concurrent.ConcurrentDictionary<Lane, int>();
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.LoadWeights);
        var handler = new DelegateHandler((operation, _, _) => Assert.Equal(threadOfLane[schedule.Operations[operation].Lane], Environment.CurrentManagedThreadId));

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(
                schedule, handler, new ExecutorOptions { IsSequential = isSequential, OnLaneStart = lane => threadOfLane[lane] = Environment.CurrentManagedThreadId });
            executor.Release();
            executor.Drain();
        });

        Assert.Equal([Lane.Compute, Lane.H2D], threadOfLane.Keys.Order());
        Assert.Equal(isSequential ? 1 : 2, threadOfLane.Values.Distinct().Count());
    }

    [Fact]
    public void OnLaneStart_Throws_IsTheErrorOfTheLane()
    {
        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(
                Schedule.Independent(OperationKind.Forward, OperationKind.LoadWeights),
                new DelegateHandler((_, _, _) => { }),
                new ExecutorOptions { OnLaneStart = lane => throw new IOException($"no {lane}") });
            Assert.StartsWith(
                "no ",
                Assert.Throws<IOException>(() =>
                {
                    executor.Release();
                    executor.Drain();
                }).Message,
                StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Drain_NothingToDo_Returns()
    {
        using var executor = new ScheduleExecutor(new ScheduleBuilder().Build(), new DelegateHandler((_, _, _) => { }));

        executor.Drain();
        executor.Release();
        executor.Drain();
    }

    [Fact]
    public void Run_SteadyState_AllocatesNothing()
    {
        const int NumPeriods = 300;

        // What the runtime may take once, when a thread meets its first contention; a single byte an operation would be more.
        const long OnceBytes = 1000;
        (Workload work, SwapPlan plan) = RandomPlan.Create(5);
        StepSchedule schedule = SwapSchedules.Train(work, plan);
        long?[] before = new long?[Enum.GetValues<Lane>().Length];
        long[] after = new long[before.Length];
        var handler = new DelegateHandler((operation, period, _) =>
        {
            int lane = (int)schedule.Operations[operation].Lane;
            if (period == 20)
            {
                before[lane] ??= GC.GetAllocatedBytesForCurrentThread();
            }

            after[lane] = GC.GetAllocatedBytesForCurrentThread();
        });

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(schedule, handler, new ExecutorOptions { MaxTracePeriods = 4 });
            long ofCaller = 0;
            for (int i = 0; i < NumPeriods; i++)
            {
                ofCaller = i == 20 ? GC.GetAllocatedBytesForCurrentThread() : ofCaller;
                long period = executor.Release();
                executor.WaitFor(schedule.Operations.Count / 2, period);
                executor.Wait(period);
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - ofCaller, 0, OnceBytes);
        });

        Assert.Contains(before, bytes => bytes is not null);
        Assert.All(before.Index(), lane => Assert.InRange(after[lane.Index] - (lane.Item ?? 0), 0, OnceBytes));
    }

    private static void AssertFails(StepSchedule schedule, int failing, bool isSequential)
    {
        var error = new IOException($"operation {failing}");
        var after = new bool[Enum.GetValues<Lane>().Length];
        var handler = new DelegateHandler((operation, period, _) =>
        {
            Assert.False(after[(int)schedule.Operations[operation].Lane]);
            if (operation == failing && period == 1)
            {
                after[(int)schedule.Operations[operation].Lane] = true;
                throw error;
            }
        });

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(schedule, handler, new ExecutorOptions { IsSequential = isSequential });
            Exception? found = Record.Exception(() =>
            {
                for (int i = 0; i < 3; i++)
                {
                    executor.Release();
                }

                executor.WaitFor(failing, 0);
                executor.Wait(2);
            });
            Assert.Same(error, found);
            Assert.Same(error, Record.Exception(executor.Drain));
            Assert.Same(error, Record.Exception(() => executor.Release()));
        });
    }
}
