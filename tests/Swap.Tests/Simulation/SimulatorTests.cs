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
