using FsCheck.Xunit;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;
using Offload.Swap.Tests.Schedules;

namespace Offload.Swap.Tests.Simulation;

public sealed class SimulatorTests
{
    [Theory]
    [InlineData(1, 6)]
    [InlineData(2, 3)]
    public void Run_LoadAndUseOverSlots_OverlapsAsSlotsAllow(int numSlots, double expectedSeconds)
    {
        // One unit a period would do; two show that slots alternate. Load 1 s, use 2 s each... with one slot they take turns.
        StepSchedule schedule = LoadAndUse(numSlots, numUnits: 2);

        SimulationResult result = Simulate(schedule, operation => operation.Lane == Lane.H2D ? 1.5 : 1.5, new SharedRates());

        Assert.Equal(expectedSeconds, result.PeriodSeconds, 9);
        Assert.Equal(3, result.BusySeconds(Lane.Compute), 9);
        Assert.Equal(expectedSeconds - 3, result.IdleSeconds(Lane.Compute, Lane.H2D), 9);
    }

    [Fact]
    public void Run_ReadAndWriteTogether_ShareTheDrive()
    {
        var builder = new ScheduleBuilder();
        builder.Add(Make(OperationKind.ReadStates, 0));
        builder.Add(Make(OperationKind.WriteStates, 0));

        // Alone 1 s each; together half as fast: always together.
        SimulationResult result = Simulate(builder.Build(), _ => 1, new SharedRates { SsdReadMixed = 0.5, SsdWriteMixed = 0.5 });

        Assert.Equal(2, result.PeriodSeconds, 9);
    }

    [Fact]
    public void Run_MoreHostTrafficThanThereIs_SlowsThoseThatNeedIt()
    {
        var builder = new ScheduleBuilder();
        builder.Add(Make(OperationKind.UpdateStates, 0));
        builder.Add(Make(OperationKind.LoadWeights, 0));
        builder.Add(Make(OperationKind.Forward, 0));
        var simulator = new Simulator(
            builder.Build(), operation => new OperationCost(1, operation.Lane == Lane.Compute ? 0 : 100), new SharedRates { HostBytesPerSecond = 100 });

        SimulationResult result = simulator.Run(8);

        Assert.Equal(2, result.PeriodSeconds, 9);
        Assert.Equal(2, result.BusySeconds(Lane.CpuUpdate), 9);
        Assert.True(result.BusySeconds(Lane.Compute) <= 1 + 1e-9);
    }

    [Property(MaxTest = 200)]
    public void Run_AnyProgram_IsBetweenTheBusiestLaneAndAllInTurn(int seed)
    {
        StepSchedule schedule = RandomSchedule.Create(seed);

        SimulationResult result = Simulate(schedule, operation => operation.Amount, new SharedRates());

        double busiest = Enum.GetValues<Lane>().Max(result.BusySeconds);
        double allInTurn = schedule.Operations.Sum(operation => operation.Amount);
        Assert.InRange(result.PeriodSeconds, busiest - 1e-6, allInTurn + 1e-6);
    }

    [Property(MaxTest = 200)]
    public void Run_AnyProgram_KeepsItsDependencies(int seed)
    {
        StepSchedule schedule = RandomSchedule.Create(seed);
        int count = schedule.Operations.Count;

        SimulationResult result = Simulate(schedule, operation => operation.Amount, new SharedRates { SsdReadMixed = 0.5, H2DDuplex = 0.7 });

        for (int index = 0; index < result.StartSeconds.Count; index++)
        {
            Assert.True(result.EndSeconds[index] > result.StartSeconds[index]);
            foreach (Dependency dependency in schedule.DependenciesOf(index % count))
            {
                int other = (index / count * count) + dependency.Operation - (dependency.IsFromPeriodBefore ? count : 0);
                Assert.True(other < 0 || result.EndSeconds[other] <= result.StartSeconds[index] + 1e-9);
            }
        }
    }

    [Property(MaxTest = 200)]
    public void Run_TwoPeriodsKept_AgreesWithAllKept(int seed)
    {
        StepSchedule schedule = RandomSchedule.Create(seed);
        int numPeriods = 2 + (int)((uint)seed % 9);
        var simulator = new Simulator(
            schedule, operation => new OperationCost(operation.Amount, operation.Amount * 3), new SharedRates { SsdWriteMixed = 0.5, HostBytesPerSecond = 7 });

        SimulationResult all = simulator.Run(numPeriods);
        SimulationResult two = simulator.Run(numPeriods, keepsAllPeriods: false);

        int skipped = (numPeriods - 2) * schedule.Operations.Count;
        Assert.Equal(numPeriods - 2, two.FirstPeriod);
        Assert.Equal(all.StartSeconds.Skip(skipped), two.StartSeconds);
        Assert.Equal(all.EndSeconds.Skip(skipped), two.EndSeconds);
        Assert.Equal(all.WaitedForLane.Skip(skipped), two.WaitedForLane);
        Assert.Equal(all.PeriodSeconds, two.PeriodSeconds);
        foreach (Lane lane in Enum.GetValues<Lane>())
        {
            Assert.Equal(all.BusySeconds(lane), two.BusySeconds(lane));
            Assert.All(Enum.GetValues<Lane>(), other => Assert.Equal(all.IdleSeconds(lane, other), two.IdleSeconds(lane, other)));
        }
    }

    [Property(MaxTest = 200)]
    public void Run_AnyProgram_WaitsForTheLaneThatEndedTheGap(int seed)
    {
        StepSchedule schedule = RandomSchedule.Create(seed);
        int count = schedule.Operations.Count;

        SimulationResult result = Simulate(schedule, operation => operation.Amount, new SharedRates());

        for (int index = 0; index < result.StartSeconds.Count; index++)
        {
            int waitedFor = result.WaitedForLane[index];
            double lastEnd = double.NegativeInfinity;
            foreach (Dependency dependency in schedule.DependenciesOf(index % count))
            {
                int other = (index / count * count) + dependency.Operation - (dependency.IsFromPeriodBefore ? count : 0);
                if (other >= 0 && (waitedFor == Operation.None || (int)schedule.Operations[dependency.Operation].Lane == waitedFor))
                {
                    lastEnd = Math.Max(lastEnd, result.EndSeconds[other]);
                }
            }

            Assert.True(waitedFor == Operation.None ? lastEnd <= result.StartSeconds[index] : lastEnd == result.StartSeconds[index]);
        }
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(0.25, 2.75)]
    [InlineData(1, 5)]
    public void Run_GuardedOperation_CostsAsOftenAsItIsDone(double probability, double expectedSeconds)
    {
        var builder = new ScheduleBuilder();
        builder.Add(Make(OperationKind.UpdateStates, 0));
        builder.Add(Make(OperationKind.UpdateStates, 1) with { Guard = Guard.IfRedone });

        SimulationResult result = new Simulator(
            builder.Build(), operation => new OperationCost(operation.Unit == 0 ? 2 : 3, 0), new SharedRates(), probability).Run(4);

        Assert.Equal(expectedSeconds, result.PeriodSeconds, 9);
    }

    [Fact]
    public void Run_GuardedOperation_DrawsOnSharedMemoryAsEver()
    {
        var builder = new ScheduleBuilder();
        builder.Add(Make(OperationKind.UpdateStates, 0) with { Guard = Guard.IfRedone });

        // 400 bytes in 1 s where 100 bytes a second is all there is: 4 s, half of the time.
        SimulationResult result = new Simulator(
            builder.Build(), _ => new OperationCost(1, 400), new SharedRates { HostBytesPerSecond = 100 }, guardProbability: 0.5).Run(4);

        Assert.Equal(2, result.PeriodSeconds, 9);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    public void Constructor_NoProbability_Throws(double probability) => Assert.Throws<ArgumentOutOfRangeException>(
        () => new Simulator(new ScheduleBuilder().Build(), _ => default, new SharedRates(), probability));

    private static SimulationResult Simulate(StepSchedule schedule, Func<Operation, double> seconds, SharedRates shared) =>
        new Simulator(schedule, operation => new OperationCost(seconds(operation), 0), shared).Run(16);

    private static StepSchedule LoadAndUse(int numSlots, int numUnits)
    {
        var builder = new ScheduleBuilder();
        for (int i = 0; i < numSlots; i++)
        {
            builder.AddSlot($"weights {i}", Tier.Gpu, 1);
        }

        for (int unit = 0; unit < numUnits; unit++)
        {
            builder.Add(Make(OperationKind.LoadWeights, unit), new SlotAccess(unit % numSlots, AccessMode.Write, unit));
            builder.Add(Make(OperationKind.Forward, unit), new SlotAccess(unit % numSlots, AccessMode.Read, unit));
        }

        return builder.Build();
    }

    private static Operation Make(OperationKind kind, int unit) => new() { Kind = kind, Unit = unit, MicroBatch = Operation.None, Tile = Operation.None };
}
