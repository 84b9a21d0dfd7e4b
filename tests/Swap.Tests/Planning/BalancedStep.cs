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
            GradientBytes = 2,
            TileParameters = 2048,
        };
    }

    internal static SwapPlan CreatePlan(Workload work, UpdateMode mode) => new()
    {
        Units = [.. work.Units.Select(unit => new UnitPlan { Weights = Tier.Cpu, States = Tier.Nvme, Input = Tier.Cpu, Activations = [.. unit.Activations.Select(_ => ActivationPolicy.SwapToCpu)] })],
        Update = mode,
        IsDurable = true,
    };

    /// <summary>What each operation takes, if each lane is to be busy for so long in a step.</summary>
    internal static Func<Operation, double> Balance(StepSchedule schedule, Func<Lane, double> laneSeconds)
    {
        Dictionary<Lane, double> amounts = schedule.Operations.GroupBy(operation => operation.Lane).ToDictionary(lane => lane.Key, lane => lane.Sum(Amount));
        return operation => Amount(operation) / amounts[operation.Lane] * laneSeconds(operation.Lane);
    }

    internal static SimulationResult Play(StepSchedule schedule, Func<Operation, double> seconds, int numPeriods = 12) =>
        new Simulator(schedule, operation => new OperationCost(seconds(operation), 0), new SharedRates()).Run(numPeriods);

    private static double Amount(Operation operation) =>
        operation.Guard != Guard.None ? 0 : operation.Lane == Lane.Compute ? operation.Flops : operation.Kind is OperationKind.UpdateStates || operation.Lane != Lane.CpuUpdate ? operation.Amount : 0;
}
