using Offload.Profiles.Tracing;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Tests.Execution;

public sealed class TraceTests
{
    private static readonly string[] Names = ["embedding", "head"];

    [Fact]
    public void TakeTrace_LanesInTurn_EqualsTheSimulation()
    {
        StepSchedule schedule = InTurn();

        StepTrace recorded = Record(schedule, numPeriods: 6, new ExecutorOptions { MaxTracePeriods = 6 });

        StepTrace simulated = Traces.FromSimulation(schedule, new Simulator(schedule, operation => new OperationCost(operation.Amount / 1000.0, 0), new SharedRates()).Run(6), Names);
        Assert.Equal(simulated.Operations.Count, recorded.Operations.Count);
        for (int i = 0; i < recorded.Operations.Count; i++)
        {
            Assert.Equal(simulated.Operations[i].StartSeconds, recorded.Operations[i].StartSeconds, 9);
            Assert.Equal(simulated.Operations[i].EndSeconds, recorded.Operations[i].EndSeconds, 9);
            Assert.Equal(
                simulated.Operations[i] with { StartSeconds = 0, EndSeconds = 0 },
                recorded.Operations[i] with { StartSeconds = 0, EndSeconds = 0 });
        }

        Assert.Equal(0.01, recorded.PeriodSeconds, 9);
        foreach ((LaneSummary expected, LaneSummary found) in simulated.Summaries.Zip(recorded.Summaries))
        {
            Assert.Equal(expected.Name, found.Name);
            Assert.Equal(expected.BusySeconds, found.BusySeconds, 9);
            Assert.Equal(expected.IdleSeconds.Keys.Order(), found.IdleSeconds.Keys.Order());
            Assert.All(expected.IdleSeconds, idle => Assert.Equal(idle.Value, found.IdleSeconds[idle.Key], 9));
        }
    }

    [Fact]
    public void TakeTrace_LanesInTurn_TellsWhoWaitedForWhom()
    {
        StepTrace trace = Record(InTurn(), numPeriods: 6, new ExecutorOptions { MaxTracePeriods = 6 });

        LaneSummary compute = trace.Summaries[(int)Lane.Compute];
        Assert.Equal("Compute", compute.Name);
        Assert.Equal(0.006, compute.BusySeconds, 9);
        Assert.Equal(0.004, Assert.Single(compute.IdleSeconds, idle => idle.Key == "H2D").Value, 9);
        Assert.Equal(0.006, Assert.Single(trace.Summaries[(int)Lane.H2D].IdleSeconds).Value, 9);
        TraceOperation last = trace.Operations[^1];
        Assert.Equal(("Forward", "head", 1, 7, 5L, (int)Lane.H2D), (last.Kind, last.Unit, last.Index, last.Tile, last.Period, last.WaitedForLane));
        Assert.Equal(TraceOperation.None, trace.Operations[0].WaitedForLane);
        Assert.Equal([0.01, 0.02, 0.03, 0.04, 0.05, 0.06], trace.PeriodEndSeconds.Select(seconds => Math.Round(seconds, 9)));
    }

    [Fact]
    public void TakeTrace_MorePeriodsThanThereIsRoom_GivesTheLastOnce()
    {
        StepSchedule schedule = InTurn();
        var clock = new ManualClock();
        using var executor = new ScheduleExecutor(schedule, Advancing(schedule, clock), new ExecutorOptions { MaxTracePeriods = 3, Clock = clock, IsSequential = true });
        void RunPeriods(int count)
        {
            for (int i = 0; i < count; i++)
            {
                executor.Release();
            }

            executor.Drain();
        }

        InTime.Run(() => RunPeriods(8));
        StepTrace trace = executor.TakeTrace();
        Assert.Equal(3, trace.NumPeriods);
        Assert.Equal([5L, 5, 6, 6, 7, 7], trace.Operations.Select(operation => operation.Period));
        Assert.Equal(0, trace.Operations[0].StartSeconds);
        Assert.Equal(0, executor.TakeTrace().NumPeriods);
        InTime.Run(() => RunPeriods(1));
        StepTrace single = executor.TakeTrace();
        Assert.Equal(1, single.NumPeriods);
        Assert.Equal(8, single.Operations[0].Period);
        Assert.Equal(0.01, single.PeriodSeconds, 9);
        Assert.Equal(0.006, single.Summaries[(int)Lane.Compute].BusySeconds, 9);
    }

    [Fact]
    public void TakeTrace_LateRelease_IsIdleTimeOfNoLane()
    {
        StepSchedule schedule = InTurn();
        var clock = new ManualClock();
        using var executor = new ScheduleExecutor(schedule, Advancing(schedule, clock), new ExecutorOptions { MaxTracePeriods = 4, Clock = clock });
        InTime.Run(() =>
        {
            for (int i = 0; i < 4; i++)
            {
                executor.Release();
                executor.Drain();
                clock.Advance(100);
            }
        });

        StepTrace trace = executor.TakeTrace();

        Assert.Equal(0.11, trace.PeriodSeconds, 9);
        KeyValuePair<string, double> idle = Assert.Single(trace.Summaries[(int)Lane.H2D].IdleSeconds);
        Assert.Equal(LaneSummary.OtherCause, idle.Key);
        Assert.Equal(0.106, idle.Value, 9);
    }

    [Theory]
    [InlineData(null, 0.018, 0.015)] // Of 10 and 20, and of the 30 before what the first lane has done by 0.4 of a period.
    [InlineData(3, 0.024, 0.02)]
    [InlineData(4, 0.025, 0.025)]
    [InlineData(9, 0.025, 0.025)]
    public void TakeTrace_SteadyPeriodsNamed_CountsThose(int? numSteady, double paceSeconds, double meanSeconds)
    {
        StepSchedule schedule = InTurn();
        var clock = new ManualClock();
        int[] slowness = [4, 3, 1, 2];
        var handler = new DelegateHandler((operation, period, _) => clock.Advance(slowness[period] * schedule.Operations[operation].Amount));
        using var executor = new ScheduleExecutor(schedule, handler, new ExecutorOptions { MaxTracePeriods = 4, Clock = clock, IsSequential = true });
        InTime.Run(() =>
        {
            for (int i = 0; i < slowness.Length; i++)
            {
                executor.Release();
            }

            executor.Drain();
        });

        StepTrace trace = executor.TakeTrace(numSteady: numSteady);

        Assert.Equal(paceSeconds, trace.PeriodSeconds, 9);
        Assert.Equal(0.6 * meanSeconds, trace.Summaries[(int)Lane.Compute].BusySeconds, 9);
    }

    [Fact]
    public void TakeTrace_NothingIsRecorded_Throws()
    {
        using var executor = new ScheduleExecutor(InTurn(), new DelegateHandler((_, _, _) => { }));

        Assert.Throws<InvalidOperationException>(() => executor.TakeTrace());
    }

    private static StepTrace Record(StepSchedule schedule, int numPeriods, ExecutorOptions options)
    {
        // Nothing runs before all is released: no lane waits for that. All lanes are there when the first is released: one that comes later waits for nobody.
        var clock = new ManualClock();
        int numStarted = 0;
        using var isReleased = new ManualResetEventSlim();
        var handler = new DelegateHandler((operation, _, cancellation) =>
        {
            isReleased.Wait(cancellation);
            clock.Advance(schedule.Operations[operation].Amount);
        });
        int numLanes = options.IsSequential ? 1 : schedule.Operations.Select(operation => operation.Lane).Distinct().Count();
        using var executor = new ScheduleExecutor(schedule, handler, options with { Clock = clock, OnLaneStart = _ => Interlocked.Increment(ref numStarted) });
        InTime.Run(() =>
        {
            while (Volatile.Read(ref numStarted) < numLanes)
            {
                Thread.Sleep(1);
            }

            // From the start to the wait it is some microseconds.
            Thread.Sleep(50);
            for (int i = 0; i < numPeriods; i++)
            {
                executor.Release();
            }

            isReleased.Set();
            executor.Drain();
        });
        return executor.TakeTrace(Names);
    }

    private static DelegateHandler Advancing(StepSchedule schedule, ManualClock clock) => new((operation, _, _) => clock.Advance(schedule.Operations[operation].Amount));

    /// <summary>4 ms of loading and 6 ms of use over one slot: never at a time.</summary>
    private static StepSchedule InTurn()
    {
        var builder = new ScheduleBuilder();
        int slot = builder.AddSlot("slot", Tier.Gpu, 1);
        builder.Add(
            new Operation { Kind = OperationKind.LoadWeights, Unit = 0, MicroBatch = Operation.None, Tile = Operation.None, Amount = 4 },
            new SlotAccess(slot, AccessMode.Write, 1));
        builder.Add(
            new Operation { Kind = OperationKind.Forward, Unit = 1, MicroBatch = 3, Tile = 7, Amount = 6, Flops = 2, AttentionFlops = 1 },
            new SlotAccess(slot, AccessMode.Read, 1));
        return builder.Build();
    }
}
