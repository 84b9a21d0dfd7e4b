using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Benchmarks;

/// <summary>A step as planners meet it: 32 layers of 200 M parameters, 8 micro-batches, weights in CPU memory, states on drives, every lane at work.</summary>
internal static class SwapWorkloads
{
    private const int NumLayers = 32;

    /// <summary>The schedule of a period.</summary>
    internal static StepSchedule Create()
    {
        ActivationShape[] activations = [new("attention", 64 << 20, 1e11, 1e10), new("mlp", 128 << 20, 2e11, 0)];
        UnitShape Unit(string name, UnitRole role, long count) => new()
        {
            Name = name,
            Role = role,
            NumParameters = count,
            Flops = 2.0 * count * 4096,
            AttentionFlops = role == UnitRole.Layer ? 1e11 : 0,
            Activations = role == UnitRole.Layer ? activations : [],
        };
        var work = new Workload
        {
            Units =
            [
                Unit("embedding", UnitRole.Embedding, 130_000_000),
                .. Enumerable.Range(0, NumLayers).Select(i => Unit($"layer {i}", UnitRole.Layer, 200_000_000)),
                Unit("head", UnitRole.Head, 130_000_000),
            ],
            NumMicroBatches = 8,
            HiddenBytes = 32 << 20,
            WeightBytes = 2,
            GradientBytes = 2,
            TileParameters = 1 << 24,
        };
        var plan = new SwapPlan
        {
            Units =
            [
                .. work.Units.Select((unit, index) => new UnitPlan
                {
                    States = Tier.Nvme,
                    Weights = index % 2 == 0 ? Tier.Cpu : Tier.Nvme,
                    Input = Tier.Cpu,
                    Activations = [.. unit.Activations.Select((_, i) => i == 0 ? ActivationPolicy.SwapToCpu : index % 4 == 1 ? ActivationPolicy.SwapToNvme : ActivationPolicy.Recompute)],
                }),
            ],
            Update = UpdateMode.Deferred,
            IsDurable = true,
            ActivationSlots = 3,
            TileSlots = 4,
        };
        return SwapSchedules.Train(work, plan);
    }

    /// <summary>Rates of a workstation, about.</summary>
    internal static OperationCost CostOf(Operation operation)
    {
        double seconds = operation.Lane switch
        {
            Lane.Compute => (operation.Flops / 150e12) + (operation.AttentionFlops / 80e12),
            Lane.H2D or Lane.D2H => operation.Amount / 25e9,
            Lane.SsdRead => operation.Amount / 14e9,
            Lane.SsdWrite => operation.Amount / 10e9,
            _ => operation.Amount / 2e9,
        };
        return new OperationCost(seconds + 1e-5, operation.HostBytes);
    }

    /// <summary>Every kind of sharing.</summary>
    internal static SharedRates Shared { get; } = new()
    {
        SsdReadMixed = 0.6,
        SsdWriteMixed = 0.7,
        H2DDuplex = 0.8,
        D2HDuplex = 0.8,
        HostBytesPerSecond = 60e9,
    };
}
