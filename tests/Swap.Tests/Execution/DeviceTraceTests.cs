using Offload.Profiles.Tracing;
using Offload.Swap.Execution;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;
using Offload.Swap.Tests.Planning;

namespace Offload.Swap.Tests.Execution;

public sealed class DeviceTraceTests
{
    private static readonly Lane[] OfGpu = [Lane.Compute, Lane.H2D, Lane.D2H];

    [Theory]
    [InlineData(false, OperationKind.LoadWeights, OperationKind.Forward)]
    [InlineData(false, OperationKind.ReadWeights, OperationKind.LoadWeights, OperationKind.Backward, OperationKind.SaveGradients, OperationKind.UpdateStates)]
    [InlineData(true, OperationKind.LoadWeights, OperationKind.Forward, OperationKind.UpdateStates)]
    public void TakeTrace_LanesInTurn_EqualsTheSimulation(bool isSequential, params OperationKind[] kinds)
    {
        StepSchedule schedule = Schedule.Chain(kinds);

        StepTrace recorded = RunReleased(schedule, numPeriods: 6, isSequential);

        StepTrace simulated = Traces.FromSimulation(schedule, new Simulator(schedule, _ => new OperationCost(0.001, 0), new SharedRates()).Run(6));
        Assert.Equal(
            simulated.Operations.Select(operation => (operation.Index, operation.Period, Math.Round(operation.StartSeconds, 9), Math.Round(operation.EndSeconds, 9))),
            recorded.Operations.Select(operation => (operation.Index, operation.Period, Math.Round(operation.StartSeconds, 9), Math.Round(operation.EndSeconds, 9))));

        // One by one, nobody waits for a lane.
        Assert.Equal(
            simulated.Operations.Select(operation => isSequential ? TraceOperation.None : operation.WaitedForLane),
            recorded.Operations.Select(operation => operation.WaitedForLane));
    }

    [Fact]
    public void TakeTrace_MorePeriodsThanThereIsRoom_KnowsWhatTheFirstHasWaitedFor()
    {
        StepSchedule schedule = Schedule.Chain(OperationKind.LoadWeights, OperationKind.Forward);
        var clock = new ManualClock();
        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => clock.Advance(1)), OfGpu, maxAhead: 8, clock);
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, MaxTracePeriods = 4, Clock = clock });
            for (int i = 0; i < 9; i++)
            {
                executor.Release();
                executor.Drain();
                if (i == 7)
                {
                    Assert.Equal(4, executor.TakeTrace().NumPeriods);
                }
            }

            StepTrace last = executor.TakeTrace();
            Assert.Equal([8L, 8], last.Operations.Select(operation => operation.Period));

            // The first was held by its release alone, the second perhaps by the first.
            Assert.Equal(TraceOperation.None, last.Operations[0].WaitedForLane);
            Assert.Equal((int)Lane.H2D, last.Operations[1].WaitedForLane);
        });
    }

    [Fact]
    public void TakeTrace_LateRelease_IsIdleTimeOfNoLane()
    {
        StepSchedule schedule = Schedule.Chain(OperationKind.LoadWeights, OperationKind.Forward);
        var clock = new ManualClock();
        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((_, _, _) => clock.Advance(5)), OfGpu, maxAhead: 8, clock);
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, MaxTracePeriods = 4, Clock = clock });
            for (int i = 0; i < 4; i++)
            {
                executor.Release();
                executor.Drain();
                clock.Advance(100);
            }

            KeyValuePair<string, double> idle = Assert.Single(executor.TakeTrace().Summaries[(int)Lane.H2D].IdleSeconds);
            Assert.Equal(LaneSummary.OtherCause, idle.Key);
            Assert.Equal(0.105, idle.Value, 9);
        });
    }

    [Fact]
    public void TakeTrace_DeviceClockIsSetBack_LanesStayInOrder()
    {
        StepSchedule schedule = Schedule.Independent(OperationKind.Forward, OperationKind.Backward);
        var clock = new ManualClock();
        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, new DelegateHandler((operation, _, _) => clock.Advance(operation == 0 ? 10 : -4)), OfGpu, maxAhead: 8, clock);
            using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, MaxTracePeriods = 4, Clock = clock });
            for (int i = 0; i < 4; i++)
            {
                executor.Release();
            }

            executor.Drain();
            AssertInOrder(executor.TakeTrace());
        });
    }

    [Fact]
    public void TakeTrace_AnyPlan_LanesAreInOrderAndWaitForWhatEndsBefore()
    {
        for (int seed = 0; seed < 15; seed++)
        {
            (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
            StepSchedule schedule = SwapSchedules.Train(work, plan);
            InTime.Run(() =>
            {
                using var streams = new FakeStreams(schedule, new MarkHandler(schedule, 6, spin: 60), OfGpu, maxAhead: 8);
                using var executor = new ScheduleExecutor(schedule, streams, new ExecutorOptions { Devices = streams, MaxTracePeriods = 6 });
                for (int i = 0; i < 6; i++)
                {
                    executor.Release();
                    executor.Wait(Math.Max(0, i - 1));
                }

                executor.Drain();
                StepTrace trace = executor.TakeTrace();
                Assert.Equal(6, trace.NumPeriods);
                AssertInOrder(trace);
                foreach (TraceOperation operation in trace.Operations.Where(operation => OfGpu.Contains((Lane)operation.Lane) && operation.WaitedForLane != TraceOperation.None))
                {
                    Assert.Contains(
                        schedule.DependenciesOf(operation.Index).ToArray(),
                        need => (int)schedule.Lanes[need.Operation] == operation.WaitedForLane
                            && trace.Operations[(int)((operation.Period - (need.IsFromPeriodBefore ? 1 : 0)) * schedule.Operations.Count) + need.Operation].EndSeconds
                                <= operation.StartSeconds + 1e-9);
                }
            });
        }
    }

    private static void AssertInOrder(StepTrace trace)
    {
        foreach (IGrouping<int, TraceOperation> lane in trace.Operations.GroupBy(operation => operation.Lane))
        {
            double end = 0;
            foreach (TraceOperation operation in lane)
            {
                Assert.True(operation.StartSeconds >= end - 1e-9);
                Assert.True(operation.EndSeconds >= operation.StartSeconds);
                end = operation.EndSeconds;
            }
        }
    }

    private static StepTrace RunReleased(StepSchedule schedule, int numPeriods, bool isSequential)
    {
        var clock = new ManualClock();
        using var isReleased = new ManualResetEventSlim();
        StepTrace? trace = null;
        var handler = new DelegateHandler((_, _, _) =>
        {
            isReleased.Wait(CancellationToken.None);
            clock.Advance(1);
        });
        InTime.Run(() =>
        {
            using var streams = new FakeStreams(schedule, handler, OfGpu, maxAhead: 8, clock);
            using var executor = new ScheduleExecutor(
                schedule, streams, new ExecutorOptions { Devices = streams, IsSequential = isSequential, MaxTracePeriods = numPeriods, Clock = clock });
            for (int i = 0; i < numPeriods; i++)
            {
                executor.Release();
            }

            isReleased.Set();
            executor.Drain();
            trace = executor.TakeTrace();
        });
        return trace!;
    }
}
