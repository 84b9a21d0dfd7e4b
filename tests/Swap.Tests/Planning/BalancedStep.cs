using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Tests.Planning;

/// <summary>Steps of equal layers, with lanes so fast that each is busy for a given time of a step.</summary>
internal static class BalancedStep
{
    /// <summary>Tiles of a layer's states.</summary>
    internal const int NumTiles = 8;

    internal static Workload CreateWork(int numLayers, int numMicroBatches)
    {
        const long LayerParameters = NumTiles * 2048;
        UnitShape Unit(string name, UnitRole role, long numParameters, double flops) => new() { Name = name, Role = role, NumParameters = numParameters, Flops = flops };
        return new Workload
        {
            Units =
            [
                Unit("embedding", UnitRole.Embedding, 2048, 1),
                .. Enumerable.Range(0, numLayers).Select(i => Unit($"layer {i}", UnitRole.Layer, LayerParameters, 100) with
                {
                    Activations = [new ActivationShape("a", 2 * LayerParameters / numMicroBatches, 100, 0)],
                }),
                Unit("head", UnitRole.Head, 2048, 10),
            ],
            NumMicroBatches = numMicroBatches,
            HiddenBytes = LayerParameters / 8 / numMicroBatches,
            WeightBytes = 2,
            GradientBytes = 4,
            TileParameters = 2048,
        };
    }

    /// <summary>All states on the drives, all weights and activations in CPU memory but the last layer's: those are needed again at once.</summary>
    internal static SwapPlan CreatePlan(Workload work, UpdateMode mode) => new()
    {
        Units =
        [
            .. work.Units.Select((unit, index) => new UnitPlan
            {
                Weights = Tier.Cpu,
                States = Tier.Nvme,
                Input = index == work.Units.Count - 2 ? Tier.Gpu : Tier.Cpu,
                Activations = [.. unit.Activations.Select(_ => index == work.Units.Count - 2 ? ActivationPolicy.Keep : ActivationPolicy.SwapToCpu)],
            }),
        ],
        Update = mode,
        IsDurable = true,
    };

    /// <summary>The plan with weights, and what a layer leaves for its backward, elsewhere.</summary>
    internal static SwapPlan Move(SwapPlan plan, Tier weights, Tier activations) => plan with
    {
        Units =
        [
            .. plan.Units.Select(unit => unit with
            {
                Weights = weights,
                Input = unit.Input == Tier.Gpu ? Tier.Gpu : activations,
                Activations = [.. unit.Activations.Select(policy => policy == ActivationPolicy.SwapToCpu && activations == Tier.Nvme ? ActivationPolicy.SwapToNvme : policy)],
            }),
        ],
    };

    /// <summary>What each operation takes, if each lane is to be busy for so long in a step.</summary>
    internal static Func<Operation, double> Balance(StepSchedule schedule, Func<Lane, double> laneSeconds)
    {
        Dictionary<Lane, double> amounts = schedule.Operations.GroupBy(operation => operation.Lane).ToDictionary(lane => lane.Key, lane => lane.Sum(Amount));
        return operation => Amount(operation) / amounts[operation.Lane] * laneSeconds(operation.Lane);
    }

    /// <summary>
    /// What a step takes at least whose forward and backward stage, with what belongs to each, do not overlap: the busiest lane of the one and of the
    /// other.
    /// </summary>
    internal static double StageSeconds(StepSchedule schedule, Func<Operation, double> seconds)
    {
        int turn = schedule.Operations.Index().Last(item => item.Item.Kind == OperationKind.HeadLoss).Index;
        double Busiest(IEnumerable<Operation> operations) => operations.GroupBy(operation => operation.Lane).Max(lane => lane.Sum(seconds));
        return Math.Max(Busiest(schedule.Operations), Busiest(schedule.Operations.Take(turn + 1)) + Busiest(schedule.Operations.Skip(turn + 1)));
    }

    internal static SimulationResult Play(StepSchedule schedule, Func<Operation, double> seconds, int numPeriods = 12) =>
        new Simulator(schedule, operation => new OperationCost(seconds(operation), 0), new SharedRates()).Run(numPeriods);

    private static double Amount(Operation operation) =>
        operation.Guard != Guard.None ? 0 : operation.Lane == Lane.Compute ? operation.Flops : operation.Kind is OperationKind.UpdateStates || operation.Lane != Lane.CpuUpdate ? operation.Amount : 0;
}
