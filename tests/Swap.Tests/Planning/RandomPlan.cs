using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning;

/// <summary>Small workloads and plans of every kind.</summary>
internal static class RandomPlan
{
    internal static (Workload Work, SwapPlan Plan) Create(int seed)
    {
        var random = new Random(seed);
        int numLayers = random.Next(0, 6);
        bool isTied = random.Next(3) == 0;
        ActivationShape[] activations = [.. Enumerable.Range(0, random.Next(0, 4)).Select(i => new ActivationShape($"a{i}", random.Next(1, 50), random.Next(100), random.Next(20)))];
        long layerParameters = random.Next(1, 400);
        UnitShape Unit(string name, UnitRole role, long count) => new()
        {
            Name = name,
            Role = role,
            NumParameters = count,
            Flops = random.Next(1, 1000),
            AttentionFlops = role == UnitRole.Layer ? random.Next(100) : 0,
            Activations = role == UnitRole.Layer ? activations : [],
        };
        var work = new Workload
        {
            Units =
            [
                Unit("embedding", UnitRole.Embedding, random.Next(1, 900)),
                .. Enumerable.Range(0, numLayers).Select(i => Unit($"layer {i}", UnitRole.Layer, layerParameters)),
                Unit("head", UnitRole.Head, isTied && random.Next(2) == 0 ? 0 : random.Next(1, 900)),
            ],
            NumMicroBatches = random.Next(1, 5),
            HiddenBytes = random.Next(1, 64),
            WeightBytes = random.Next(2) == 0 ? 2 : 4,
            GradientBytes = random.Next(2) == 0 ? 2 : 4,
            IsTied = isTied,
            TileParameters = random.Next(20, 300),
        };
        SwapPlan plan = For(work, random);

        // Last, so that the rest of a seed stays what it was.
        return (work with { AreNormsOnGpu = random.Next(4) == 0 }, plan);
    }

    /// <summary>A plan for a given workload.</summary>
    internal static SwapPlan For(Workload work, Random random)
    {
        bool hasDrives = random.Next(4) > 0;
        Tier HostOrDrive() => hasDrives && random.Next(2) == 0 ? Tier.Nvme : Tier.Cpu;
        StepOrder order = (StepOrder)random.Next(4);
        UpdateMode[] modes = order switch
        {
            StepOrder.Fuyou => [UpdateMode.Immediate, UpdateMode.Separate],
            StepOrder.ZeroInfinity => [UpdateMode.Separate],
            _ => Enum.GetValues<UpdateMode>(),
        };
        UpdateMode mode = modes[random.Next(modes.Length)];
        bool canDelay = order != StepOrder.Fuyou && mode is UpdateMode.Immediate or UpdateMode.Speculative;
        int numPolicies = order == StepOrder.ZeroInfinity ? 2 : hasDrives ? 4 : 3;
        return new SwapPlan
        {
            Units =
            [
                .. work.Units.Select(unit =>
                {
                    Tier states = random.Next(5) == 0 ? Tier.Gpu : HostOrDrive();
                    return new UnitPlan
                    {
                        States = states,
                        Weights = states == Tier.Gpu || random.Next(4) == 0 ? Tier.Gpu : states == Tier.Nvme ? HostOrDrive() : Tier.Cpu,
                        Gradients = HostOrDrive(),
                        Input = random.Next(3) == 0 ? Tier.Gpu : HostOrDrive(),
                        Activations = [.. unit.Activations.Select(_ => (ActivationPolicy)random.Next(numPolicies))],
                    };
                }),
            ],
            Order = order,
            Update = mode,
            DelayedShare = canDelay ? random.Next(3) / 2.0 * random.NextDouble() : 0,
            IsDurable = hasDrives,
            WeightSlots = random.Next(1, 4),
            GradientSlots = random.Next(1, 6),
            ActivationSlots = random.Next(1, 4),
            StagingSlots = random.Next(1, 3),
            HostWeightSlots = random.Next(1, 3),
            TileSlots = random.Next(1, 4),
            GradientStagingSlots = random.Next(1, 3),
        };
    }
}
