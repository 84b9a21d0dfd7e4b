using FsCheck.Xunit;
using Offload.Swap.Checking;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Tests.Planning;

public sealed class SwapSchedulesTests
{
    [Property(MaxTest = 500)]
    public void All_AnyPlan_AreProven(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        Assert.All(SchedulesOf(work, plan), schedule => Assert.Null(ScheduleChecker.FindProblem(schedule, _ => long.MaxValue)));
    }

    [Property(MaxTest = 300)]
    public void All_InTurn_FindWhatTheOthersLeft(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
        StepSchedule train = SwapSchedules.Train(work, plan);
        StepSchedule drain = SwapSchedules.Drain(work, plan);
        StepSchedule forward = SwapSchedules.Forward(work, plan);

        Assert.Null(ScheduleChecker.FindProblemAcross([forward, train, drain, forward, train, train, drain, train]));
    }

    [Property(MaxTest = 300)]
    public void Train_AnyPlan_DoesAllWorkOnce(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        StepSchedule schedule = SwapSchedules.Train(work, plan);

        Assert.Equal(work.Units.Select((_, unit) => unit).SkipLast(1).SelectMany(unit => MicroBatchesOf(work, unit)), Done(schedule, OperationKind.Forward).Order());
        Assert.Equal(MicroBatchesOf(work, work.Units.Count - 1), Done(schedule, OperationKind.HeadLoss));
        Assert.Equal(work.Units.Select((_, unit) => unit).SkipLast(1).SelectMany(unit => MicroBatchesOf(work, unit)), Done(schedule, OperationKind.Backward).Order());
        int numWithParameters = work.Units.Count(unit => unit.NumParameters > 0);
        Assert.Equal(numWithParameters, NumOf(schedule, OperationKind.RoundGradients));
        Assert.Equal(numWithParameters, NumOf(schedule, OperationKind.GradientNorm) + NumOf(schedule, OperationKind.NormOnGpu));
        Assert.Equal(work.AreNormsOnGpu ? 0 : NumOf(schedule, OperationKind.SaveGradients), NumOf(schedule, OperationKind.GradientNorm));
        Assert.Equal(1, NumOf(schedule, OperationKind.DecideStep));
        Assert.Equal(NumOf(schedule, OperationKind.SaveActivations), NumOf(schedule, OperationKind.LoadActivations));
        Assert.Equal(NumOf(schedule, OperationKind.WriteActivations), NumOf(schedule, OperationKind.ReadActivations));
        Assert.Equal(NumOf(schedule, OperationKind.SaveSums), NumOf(schedule, OperationKind.LoadSums));
        AssertUpdates(work, plan, schedule.Operations.Where(operation => operation.Guard == Guard.None));
        IEnumerable<Operation> again = schedule.Operations.Where(operation => operation.Guard == Guard.IfRedone);
        Assert.Equal(
            schedule.Operations.Where(operation => plan.Update == UpdateMode.Speculative && IsUpdate(operation) && operation.Guard == Guard.None && !operation.IsDelayed).Select(Tile).Order(),
            again.Where(IsUpdate).Select(Tile).Order());
    }

    [Property(MaxTest = 300)]
    public void Train_WeightsUsed_HaveAllUpdatesOfStepsBeforeAndNoneOfThis(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        Assert.Null(WeightVersions.FindStale(work, SwapSchedules.Train(work, plan)));
    }

    [Property(MaxTest = 300)]
    public void Drain_AfterTrain_DoesWhatWasDelayed(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        List<Operation> drained = [.. SwapSchedules.Drain(work, plan).Operations];

        Assert.All(drained, operation => Assert.True(operation.IsDelayed));
        IEnumerable<Operation> delayed = SwapSchedules.Train(work, plan).Operations.Where(operation => operation.IsDelayed);
        Assert.DoesNotContain(drained, operation => operation.BringsWeights);
        Assert.Equal(
            delayed.Select(operation => (operation with { BringsWeights = false }).ToString()).Order(), drained.Select(operation => operation.ToString()).Order());
        Assert.True(plan.Update != UpdateMode.Deferred || drained.Count(IsUpdate) == NumTiles(work));
    }

    [Property(MaxTest = 300)]
    public void Train_DurablePlan_CommitsAfterAllWritesOfTheStep(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        List<Operation> operations = [.. SwapSchedules.Train(work, plan).Operations];

        int commit = operations.FindIndex(operation => operation.Kind == OperationKind.Commit);
        Assert.Equal(plan.IsDurable ? 1 : 0, NumOf(operations, OperationKind.Commit));
        if (plan.IsDurable)
        {
            // Delayed writes, then their commit; then all others' writes, whose commit it is if there are no delayed ones.
            bool isDelayed = operations[commit].IsDelayed;
            Assert.Equal(operations.Any(IsDelayedUpdate), isDelayed);
            Assert.All(
                operations.Index().Where(item => item.Item.Kind == OperationKind.WriteStates),
                item => Assert.Equal(item.Item.IsDelayed == isDelayed, item.Index < commit));
        }
    }

    [Property(MaxTest = 300)]
    public void Forward_AnyPlan_ChangesNothingAndNeedsNoMoreThanTraining(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        StepSchedule forward = SwapSchedules.Forward(work, plan);
        StepSchedule train = SwapSchedules.Train(work, plan);

        Assert.Equal(work.NumMicroBatches, NumOf(forward, OperationKind.ForwardLoss));
        Assert.Equal((work.Units.Count - 1) * work.NumMicroBatches, NumOf(forward, OperationKind.Forward));
        Assert.All(forward.Operations, operation => Assert.Equal(Pass.Forward, operation.Pass));
        Assert.DoesNotContain(
            Enumerable.Range(0, forward.Operations.Count).SelectMany(operation => forward.AccessesOf(operation).ToArray()),
            access => access.Mode.HasFlag(AccessMode.Write) && forward.Slots[access.Slot].IsPersistent);
        Assert.All(Enum.GetValues<Tier>(), tier => Assert.InRange(forward.SlotBytes(tier), 0, train.SlotBytes(tier)));
    }

    [Property(MaxTest = 300)]
    public void All_SlotsOfOneName_AreTheSame(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        IEnumerable<IGrouping<string, Slot>> byName = SchedulesOf(work, plan).SelectMany(schedule => schedule.Slots).GroupBy(slot => slot.Name);

        Assert.All(byName, slots => Assert.Single(slots.Distinct()));
        Assert.All(byName, slots => Assert.Equal(0, slots.First().SizeBytes % 4096));
        IEnumerable<Slot> persistent = SchedulesOf(work, plan).SelectMany(schedule => schedule.Slots).Where(slot => slot.IsPersistent);
        Assert.Empty(persistent.Except(SwapSchedules.Train(work, plan).Slots));
    }

    [Property(MaxTest = 200)]
    public void All_AnyPlan_EndInTheSimulator(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);

        foreach (StepSchedule schedule in SchedulesOf(work, plan))
        {
            SimulationResult result = new Simulator(
                schedule, operation => new OperationCost(operation.Flops + operation.Amount + 1, operation.HostBytes), new SharedRates { SsdReadMixed = 0.5, SsdWriteMixed = 0.5 }).Run(6);

            double busiest = schedule.Operations.GroupBy(operation => operation.Lane).Max(lane => lane.Sum(operation => operation.Flops + operation.Amount + 1));
            Assert.InRange(result.EndSeconds.Max(), 6 * busiest * 0.999, double.MaxValue);
        }
    }

    [Fact]
    public void Train_ZeroInfinity_StepsDoNotOverlap()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
            if (plan.Order != StepOrder.ZeroInfinity)
            {
                continue;
            }

            StepSchedule schedule = SwapSchedules.Train(work, plan);
            SimulationResult result = new Simulator(schedule, operation => new OperationCost(operation.Flops + operation.Amount + 1, 0), new SharedRates()).Run(3);

            int count = schedule.Operations.Count;
            double lastUpdate = Enumerable.Range(0, count).Where(i => IsUpdate(schedule.Operations[i])).Max(i => result.EndSeconds[count + i]);
            double firstForward = Enumerable.Range(0, count).Where(i => schedule.Operations[i].Kind == OperationKind.Forward).Min(i => result.StartSeconds[(2 * count) + i]);
            Assert.True(firstForward >= lastUpdate);
        }
    }

    private static StepSchedule[] SchedulesOf(Workload work, SwapPlan plan)
    {
        StepSchedule drain = SwapSchedules.Drain(work, plan);
        StepSchedule[] schedules = [SwapSchedules.Train(work, plan), SwapSchedules.Forward(work, plan)];
        return drain.Operations.Count > 0 ? [.. schedules, drain] : schedules;
    }

    private static void AssertUpdates(Workload work, SwapPlan plan, IEnumerable<Operation> operations)
    {
        List<Operation> all = [.. operations];
        IEnumerable<(int Unit, int Tile)> Tiles(Func<UnitPlan, bool> isOf) =>
            work.Units.Index().Where(item => isOf(plan.Units[item.Index])).SelectMany(item => Enumerable.Range(0, TilesOf(work, item.Index)).Select(tile => (item.Index, tile)));
        IEnumerable<(int Unit, int Tile)> Found(OperationKind kind) => all.Where(operation => operation.Kind == kind).Select(Tile).Order();
        Assert.Equal(Tiles(unit => unit.States != Tier.Gpu), Found(OperationKind.UpdateStates));
        Assert.Equal(Tiles(unit => unit.States == Tier.Gpu), Found(OperationKind.UpdateOnGpu));
        Assert.Equal(Tiles(unit => unit.States == Tier.Nvme), Found(OperationKind.ReadStates));
        Assert.Equal(Tiles(unit => unit.States == Tier.Gpu && plan.IsDurable), Found(OperationKind.SaveStates));
        Assert.Equal(Tiles(_ => plan.IsDurable), Found(OperationKind.WriteStates));
        Assert.Equal(work.Units.Sum(unit => unit.NumParameters), all.Where(IsUpdate).Sum(operation => operation.Amount));
    }

    private static IEnumerable<(int Unit, int MicroBatch)> MicroBatchesOf(Workload work, int unit) => Enumerable.Range(0, work.NumMicroBatches).Select(microBatch => (unit, microBatch));

    private static IEnumerable<(int Unit, int MicroBatch)> Done(StepSchedule schedule, OperationKind kind) =>
        schedule.Operations.Where(operation => operation.Kind == kind).Select(operation => (operation.Unit, operation.MicroBatch));

    private static int TilesOf(Workload work, int unit) => (int)((work.Units[unit].NumParameters + work.TileParameters - 1) / work.TileParameters);

    private static int NumTiles(Workload work) => Enumerable.Range(0, work.Units.Count).Sum(unit => TilesOf(work, unit));

    private static bool IsUpdate(Operation operation) => operation.Kind is OperationKind.UpdateStates or OperationKind.UpdateOnGpu;

    private static bool IsDelayedUpdate(Operation operation) => IsUpdate(operation) && operation.IsDelayed;

    private static (int Unit, int Tile) Tile(Operation operation) => (operation.Unit, operation.Tile);

    private static int NumOf(StepSchedule schedule, OperationKind kind) => NumOf(schedule.Operations, kind);

    private static int NumOf(IEnumerable<Operation> operations, OperationKind kind) => operations.Count(operation => operation.Kind == kind);
}
