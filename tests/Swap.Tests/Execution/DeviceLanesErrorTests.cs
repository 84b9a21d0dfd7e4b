using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Tests.Planning;
using Offload.Swap.Tests.Schedules;

namespace Offload.Swap.Tests.Execution;

public sealed class DeviceLanesErrorTests
{
    private static readonly Lane[] OfGpu = [Lane.Compute, Lane.H2D, Lane.D2H];

    [Theory]
    [InlineData(nameof(IOperationHandler.Run), Lane.Compute, false)]
    [InlineData(nameof(IOperationHandler.Run), Lane.H2D, false)]
    [InlineData(nameof(IOperationHandler.Run), Lane.D2H, false)]
    [InlineData(nameof(IOperationHandler.Run), Lane.H2D, true)]
    [InlineData(nameof(IDeviceLanes.Await), Lane.Compute, false)]
    [InlineData(nameof(IDeviceLanes.Begin), Lane.H2D, false)]
    [InlineData(nameof(IDeviceLanes.Begin), Lane.H2D, true)]
    [InlineData(nameof(IDeviceLanes.Mark), Lane.D2H, false)]
    [InlineData(nameof(IDeviceLanes.Mark), Lane.D2H, true)]
    [InlineData(nameof(IDeviceLanes.Wait), Lane.Compute, false)]
    [InlineData(nameof(IDeviceLanes.Wait), Lane.H2D, false)]
    [InlineData(nameof(IDeviceLanes.Wait), Lane.D2H, false)]
    [InlineData(nameof(IDeviceLanes.Wait), Lane.D2H, true)]
    [InlineData(nameof(IDeviceLanes.Times), Lane.Compute, false)]
    [InlineData(nameof(IDeviceLanes.Times), Lane.Compute, true)]
    public void Wait_ACallFails_ThrowsItsErrorAndEnds(string call, Lane lane, bool isSequential)
    {
        StepSchedule schedule = Schedule.Chain(OperationKind.LoadWeights, OperationKind.Forward, OperationKind.SaveGradients, OperationKind.UpdateStates);
        var error = new IOException(call);
        bool isThrown = false;

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => Thread.Sleep(2)), OfGpu, maxAhead: 8)
            {
                OnCall = (name, calling, _) =>
                {
                    if (name == call && calling == lane)
                    {
                        isThrown = true;
                        throw error;
                    }
                },
            };
            using var executor = new ScheduleExecutor(
                schedule, streams, new ExecutorOptions { Devices = streams, IsSequential = isSequential, MaxTracePeriods = 2 });
            AssertFailsWith(error, executor);
            executor.Dispose();
            Assert.True(streams.IsIdle || call is nameof(IDeviceLanes.Wait) or nameof(IDeviceLanes.Mark));
        });

        Assert.True(isThrown);
    }

    [Fact]
    public void OnLaneStart_Throws_IsTheErrorOfTheLane()
    {
        StepSchedule schedule = Schedule.Chain(OperationKind.LoadWeights, OperationKind.Forward);
        var error = new IOException("no lane");

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => { }), OfGpu, maxAhead: 8);
            using var executor = new ScheduleExecutor(
                schedule, streams, new ExecutorOptions { Devices = streams, OnLaneStart = _ => throw error });
            Assert.Same(
                error,
                Record.Exception(() =>
                {
                    executor.Release();
                    executor.Drain();
                }));
        });
    }

    [Fact]
    public void Wait_OperationFailsOfEveryKindInEveryLane_ThrowsItsErrorAndEnds()
    {
        var kinds = new HashSet<OperationKind>();
        for (int seed = 0; seed < 15; seed++)
        {
            (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
            StepSchedule schedule = SwapSchedules.Train(work, plan);
            foreach (int failing in Enumerable.Range(0, schedule.Operations.Count).Where(i => kinds.Add(schedule.Operations[i].Kind)))
            {
                foreach (bool isSequential in new[] { false, true })
                {
                    var error = new IOException($"operation {failing}");
                    var handler = new DelegateHandler((operation, period, _) =>
                    {
                        if (operation == failing && period == 1)
                        {
                            throw error;
                        }
                    });

                    // On the lanes' threads, or those of the device, of which Wait then tells.
                    InTime.Run(() =>
                    {
                        using var streams = new FakeStreams(schedule, handler, OfGpu, maxAhead: 3);
                        using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, IsSequential = isSequential, MaxAhead = 3 });
                        AssertFailsWith(error, executor);
                    });
                }
            }
        }

        Assert.Superset(
            new HashSet<OperationKind> { OperationKind.Forward, OperationKind.LoadWeights, OperationKind.SaveGradients, OperationKind.ReadStates, OperationKind.WriteStates, OperationKind.UpdateStates },
            kinds);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dispose_IssuingFailedInPart_WaitsForThatPart(bool isSequential)
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward);
        using var isFree = new ManualResetEventSlim();
        bool isDone = false;
        var handler = new DelegateHandler((_, _, _) =>
        {
            isFree.Wait(CancellationToken.None);
            isDone = true;
        });

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, handler, OfGpu, maxAhead: 8)
            {
                OnCall = (name, _, _) =>
                {
                    if (name == nameof(IOperationHandler.Run))
                    {
                        throw new IOException("the first error");
                    }
                },
            };
            var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, IsSequential = isSequential });
            executor.Release();
            Assert.Equal("the first error", Assert.Throws<IOException>(() => executor.Wait(0)).Message);
            AssertWaitsToDispose(executor, isFree);
            Assert.True(isDone && streams.IsIdle);
            Assert.Null(streams.Problem);
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dispose_DeviceIsAtWork_WaitsForAllThatWasIssued(bool anotherLaneFails)
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.LoadWeights, OperationKind.UpdateStates);
        using var isFree = new ManualResetEventSlim();
        using var isFull = new CountdownEvent(10);
        int numDone = 0;
        Exception? found = null;
        var handler = new DelegateHandler((operation, _, _) =>
        {
            if (operation == 2)
            {
                isFull.Wait(CancellationToken.None);
                throw anotherLaneFails ? new IOException("the first error") : new OperationCanceledException();
            }

            isFree.Wait(CancellationToken.None);
            Interlocked.Increment(ref numDone);
        });

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, handler, OfGpu, maxAhead: 5) { OnCall = FakeStreams.AtEachMark(() => isFull.Signal()) };
            var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, MaxAhead = 5 });
            for (int i = 0; i < 9; i++)
            {
                executor.Release();
            }

            var caller = new Thread(() => found = Record.Exception(() => executor.Wait(0)));
            caller.Start();
            isFull.Wait(CancellationToken.None);
            if (anotherLaneFails)
            {
                caller.Join();
                Assert.IsType<IOException>(found);
            }

            AssertWaitsToDispose(executor, isFree);
            Assert.Equal(10, numDone);
            Assert.True(streams.IsIdle);
            Assert.Null(streams.Problem);
            caller.Join();
            Assert.NotNull(found);
            executor.Dispose();
        });
    }

    [Fact]
    public void Dispose_AtAnyMoment_EndsWithNothingAtWork()
    {
        for (int i = 0; i < 100; i++)
        {
            StepSchedule schedule = RandomSchedule.Create(i);
            var handler = new MarkHandler(schedule, numPeriods: 3, spin: 10);
            int spin = i * 60;
            InTime.Run(() =>
            {
                using var streams = new FakeStreams(schedule, handler, OfGpu, maxAhead: 3);
                using (var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, MaxAhead = 3 }))
                {
                    for (int k = 0; k < 3; k++)
                    {
                        executor.Release();
                    }

                    Thread.SpinWait(spin);
                }

                Assert.True(streams.IsIdle);
                Assert.Null(streams.Problem);
                Assert.Null(handler.Problem);
            });
        }
    }

    [Fact]
    public void Wait_CalledByTheThreadThatWaitsForTheDevice_IsRefused()
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward);
        ScheduleExecutor? executor = null;
        using var isThere = new ManualResetEventSlim();

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => { }), OfGpu, maxAhead: 8)
            {
                OnCall = (name, _, _) =>
                {
                    if (name == nameof(IDeviceLanes.Wait))
                    {
                        isThere.Wait(CancellationToken.None);
                        executor!.Wait(0);
                    }
                },
            };
            executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams });
            isThere.Set();
            using (executor)
            {
                executor.Release();
                Assert.Contains("wait for itself", Assert.Throws<InvalidOperationException>(executor.Drain).Message, StringComparison.Ordinal);
            }
        });
    }

    private static void AssertFailsWith(Exception error, ScheduleExecutor executor)
    {
        Exception? found = Record.Exception(() =>
        {
            for (int i = 0; i < 3; i++)
            {
                executor.Release();
            }

            executor.Wait(2);
        });
        Assert.Same(error, found);
        Assert.Same(error, Record.Exception(executor.Drain));
        Assert.Same(error, Record.Exception(() => executor.Release()));
    }

    private static void AssertWaitsToDispose(ScheduleExecutor executor, ManualResetEventSlim isFree)
    {
        var disposing = new Thread(executor.Dispose);
        disposing.Start();
        Assert.False(disposing.Join(50));
        isFree.Set();
        Assert.True(disposing.Join(TimeSpan.FromSeconds(9)));
    }
}
