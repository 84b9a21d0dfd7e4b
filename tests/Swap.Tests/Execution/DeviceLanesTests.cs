using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Execution;

public sealed class DeviceLanesTests
{
    private static readonly Lane[] OfGpu = [Lane.Compute, Lane.H2D, Lane.D2H];

    [Fact]
    public void Issue_OtherLaneOfTheDeviceIsAtWork_IssuesAndAwaits()
    {
        StepSchedule schedule = Schedule.Chain(OperationKind.LoadWeights, OperationKind.Forward);
        using var isFree = new ManualResetEventSlim();
        using var areIssued = new CountdownEvent(2);
        var order = new List<int>();
        var handler = new DelegateHandler((operation, _, _) =>
        {
            isFree.Wait(CancellationToken.None);
            lock (order)
            {
                order.Add(operation);
            }
        });

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, handler, OfGpu, maxAhead: 8) { OnCall = FakeStreams.AtEachMark(() => areIssued.Signal()) };
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams });
            executor.Release();
            areIssued.Wait(CancellationToken.None);
            Assert.Empty(order);
            Assert.Equal([(Lane.Compute, Lane.H2D, 1L)], streams.Awaits);
            isFree.Set();
            executor.Drain();
            Assert.Null(streams.Problem);
        });

        Assert.Equal([0, 1], order);
    }

    [Fact]
    public void Issue_OtherLaneIsDone_AwaitsNothing()
    {
        // The second period's first operation waits for the first one's last, which is done before it is released.
        StepSchedule schedule = Schedule.Chain(OperationKind.LoadWeights, OperationKind.UpdateStates, OperationKind.Forward);

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => { }), OfGpu, maxAhead: 8);
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams });
            for (int i = 0; i < 5; i++)
            {
                executor.Release();
                executor.Drain();
            }

            Assert.Null(streams.Problem);
            Assert.Empty(streams.Awaits);
        });
    }

    [Fact]
    public void Issue_LaneHasAwaitedSoMuch_AwaitsItOnce()
    {
        // Two uses of what one copy brings, in one lane.
        var builder = new ScheduleBuilder();
        int[] slots = [builder.AddSlot("a", Tier.Gpu, 1), builder.AddSlot("b", Tier.Gpu, 1)];
        Operation Make(OperationKind kind) => new() { Kind = kind, Unit = 0, MicroBatch = Operation.None, Tile = Operation.None };
        builder.Add(Make(OperationKind.LoadWeights), new SlotAccess(slots[0], AccessMode.Write, 1), new SlotAccess(slots[1], AccessMode.Write, 1));
        builder.Add(Make(OperationKind.Forward), new SlotAccess(slots[0], AccessMode.Read, 1));
        builder.Add(Make(OperationKind.Forward), new SlotAccess(slots[1], AccessMode.Read, 1));
        StepSchedule schedule = builder.Build();
        using var isFree = new ManualResetEventSlim();

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => isFree.Wait(CancellationToken.None)), OfGpu, maxAhead: 8)
            {
                OnCall = (name, lane, count) =>
                {
                    if (name == nameof(IDeviceLanes.Mark) && lane == Lane.Compute && count == 1)
                    {
                        isFree.Set();
                    }
                },
            };
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams });
            executor.Release();
            executor.Drain();
            Assert.Null(streams.Problem);
            Assert.Equal([(Lane.Compute, Lane.H2D, 1L)], streams.Awaits);
        });
    }

    [Fact]
    public void Run_ThreadWaitsForTheDevice_BeginsOnlyWhenThatIsDone()
    {
        StepSchedule schedule = Schedule.Chain(OperationKind.SaveGradients, OperationKind.WriteGradients);
        int numDone = 0;
        int seen = -1;
        var handler = new DelegateHandler((operation, _, _) =>
        {
            if (operation == 0)
            {
                Thread.Sleep(50);
                Interlocked.Increment(ref numDone);
            }
            else
            {
                seen = Volatile.Read(ref numDone);
            }
        });

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, handler, OfGpu, maxAhead: 8);
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams });
            executor.Release();
            executor.WaitFor(0, 0);
            Assert.Equal(1, Volatile.Read(ref numDone));
            executor.Drain();
        });

        Assert.Equal(1, seen);
    }

    [Fact]
    public void Issue_ThreadHasNotDoneWhatItWaitsFor_IsNotIssued()
    {
        StepSchedule schedule = Schedule.Chain(OperationKind.ReadWeights, OperationKind.LoadWeights);
        using var isFree = new ManualResetEventSlim();

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(
                schedule, new DelegateHandler((operation, _, _) => Assert.True(operation == 1 || isFree.Wait(TimeSpan.FromSeconds(9), CancellationToken.None))), OfGpu, maxAhead: 8);
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams });
            executor.Release();
            Thread.Sleep(30);
            Assert.Equal(0, streams.NumMarked(Lane.H2D));
            isFree.Set();
            executor.Drain();
            Assert.Equal(1, streams.NumMarked(Lane.H2D));
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void Issue_DeviceStandsStill_StopsAfterMaxAhead(int maxAhead)
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.Backward);
        using var isFree = new SemaphoreSlim(0);
        using var isMarked = new SemaphoreSlim(0);

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => isFree.Wait(CancellationToken.None)), OfGpu, maxAhead)
            {
                OnCall = FakeStreams.AtEachMark(() => isMarked.Release()),
            };
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, MaxAhead = maxAhead });
            for (int i = 0; i < 10; i++)
            {
                executor.Release();
            }

            for (int i = 0; i < 20; i++)
            {
                // As many as may be ahead at once, then one more for each that is done.
                for (int k = i == 0 ? 0 : maxAhead - 1; k < maxAhead && i + k < 20; k++)
                {
                    isMarked.Wait();
                }

                Assert.False(i < 3 && isMarked.Wait(20));
                isFree.Release();
            }

            executor.Drain();
            Assert.Null(streams.Problem);
        });
    }

    [Fact]
    public void Constructor_NothingMayBeAhead_Throws() => Assert.Throws<ArgumentOutOfRangeException>(
        () => new ScheduleExecutor(Schedule.Independent(OperationKind.Forward), new DelegateHandler((_, _, _) => { }), new ExecutorOptions { MaxAhead = 0 }));

    [Fact]
    public void OnLaneStart_LanesOfADevice_IsCalledOnTheThreadsThatIssue()
    {
        var threadOfLane = new System.Collections.Concurrent.ConcurrentDictionary<Lane, int>();
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.LoadWeights);
        string? problem = null;

        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => { }), OfGpu, maxAhead: 8)
            {
                OnCall = (name, lane, _) =>
                {
                    bool isIssuing = name is not nameof(IDeviceLanes.Wait) and not nameof(IDeviceLanes.Times);
                    problem = threadOfLane[lane] == Environment.CurrentManagedThreadId == isIssuing ? problem : name;
                },
            };
            using var executor = new ScheduleExecutor(
                schedule,
                streams,
                new ExecutorOptions { Devices = streams, MaxTracePeriods = 1, OnLaneStart = lane => threadOfLane.TryAdd(lane, Environment.CurrentManagedThreadId) });
            executor.Release();
            executor.Drain();
        });

        Assert.Null(problem);
        Assert.Equal(2, threadOfLane.Values.Distinct().Count());
    }

    [Fact]
    public void Run_SteadyState_AllocatesNothing()
    {
        const int NumPeriods = 300;
        const long OnceBytes = 1000;
        StepSchedule schedule = Schedule.Chain(OperationKind.LoadWeights, OperationKind.Forward, OperationKind.UpdateStates, OperationKind.Backward, OperationKind.SaveGradients);
        var meter = new AllocationMeter();

        InTime.Run(() =>
        {
            using var executor = new ScheduleExecutor(schedule, meter, new ExecutorOptions { Devices = meter, MaxTracePeriods = 4 });
            for (int i = 0; i < NumPeriods; i++)
            {
                executor.Wait(executor.Release());
            }
        });

        // Three lanes that issue and three that wait.
        Assert.Equal(6, meter.Bytes().Count(bytes => bytes >= 0));
        Assert.All(meter.Bytes(), bytes => Assert.InRange(bytes, -1, OnceBytes));
    }

    /// <summary>A device that takes no time, and what its threads take of memory after their 20th call.</summary>
    private sealed class AllocationMeter : IDeviceLanes, IOperationHandler
    {
        private readonly long[] _before = new long[14];
        private readonly long[] _after = new long[14];
        private readonly int[] _calls = new int[14];

        public bool IsAsynchronous(Lane lane) => OfGpu.Contains(lane);

        public void Await(Lane lane, Lane other, long count)
        {
        }

        public void Begin(Lane lane, long count)
        {
        }

        public void Mark(Lane lane, long count) => Note((int)lane);

        public void Wait(Lane lane, long count) => Note(7 + (int)lane);

        public (long StartTicks, long EndTicks) Times(Lane lane, long count) => (count, count + 1);

        public void Run(int operation, long period, CancellationToken cancellation)
        {
        }

        internal IEnumerable<long> Bytes() => _calls.Select((calls, i) => calls < 100 ? -1 : _after[i] - _before[i]);

        private void Note(int thread)
        {
            if (++_calls[thread] == 20)
            {
                _before[thread] = GC.GetAllocatedBytesForCurrentThread();
            }

            _after[thread] = GC.GetAllocatedBytesForCurrentThread();
        }
    }
}
