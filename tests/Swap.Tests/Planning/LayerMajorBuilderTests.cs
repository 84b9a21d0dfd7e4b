using FsCheck.Xunit;
using Offload.Swap.Checking;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Tests.Planning;

public sealed class LayerMajorBuilderTests
{
    [Property(MaxTest = 300)]
    public void Build_AnyPlan_IsProven(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        Assert.Null(ScheduleChecker.FindProblem(LayerMajorBuilder.Build(work, plan), _ => long.MaxValue));
    }

    [Property(MaxTest = 300)]
    public void Build_AnyPlan_DoesAllWorkOnce(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        StepSchedule schedule = LayerMajorBuilder.Build(work, plan);

        int numLayers = work.Units.Count - 2;
        int NumOf(OperationKind kind) => schedule.Operations.Count(operation => operation.Kind == kind);
        Assert.Equal((numLayers + 1) * work.NumMicroBatches, NumOf(OperationKind.Forward));
        Assert.Equal((numLayers + 1) * work.NumMicroBatches, NumOf(OperationKind.Backward));
        Assert.Equal(work.NumMicroBatches, NumOf(OperationKind.HeadLoss));
        Assert.Equal(work.Units.Count, NumOf(OperationKind.SaveGradients));
        long numParameters = work.Units.Sum(unit => unit.NumParameters);
        Assert.Equal(numParameters, schedule.Operations.Where(operation => operation.Kind == OperationKind.UpdateStates).Sum(operation => operation.Amount));
        Assert.Equal(
            plan.IsDurable ? numParameters * work.StateBytes : 0,
            schedule.Operations.Where(operation => operation.Kind == OperationKind.WriteStates).Sum(operation => operation.Amount));
        Assert.InRange(NumOf(OperationKind.LoadWeights), work.Units.Count, 2 * work.Units.Count);
    }

    [Property(MaxTest = 100)]
    public void Build_AnyPlan_EndsInTheSimulator(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
        StepSchedule schedule = LayerMajorBuilder.Build(work, plan);

        SimulationResult result = new Simulator(
            schedule, operation => new OperationCost(operation.Flops + operation.Amount + 1, operation.HostBytes), new SharedRates { SsdReadMixed = 0.5, SsdWriteMixed = 0.5 }).Run(6);

        Assert.InRange(result.PeriodSeconds, Enum.GetValues<Lane>().Max(result.BusySeconds) * 0.999, double.MaxValue);
    }
}
