using Offload.Profiles;
using Offload.Profiles.Hardware;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;

namespace Offload.Swap.Tests.Planning.Search;

/// <summary>Small models on random machines with random budgets: the planner's step against the shortest of all plans'.</summary>
internal static class OptimalityCheck
{
    internal const double Tolerance = 0.02;

    /// <summary>One case.</summary>
    internal sealed record Result(double PlannedSeconds, double OptimalSeconds, long NumPlans, SwapPlan? Planned, SwapPlan? Optimal)
    {
        public bool IsWithin => PlannedSeconds <= OptimalSeconds * (1 + Tolerance);

        public override string ToString() =>
            $"planned {PlannedSeconds:G4} s, optimal {OptimalSeconds:G4} s of {NumPlans} plans that fit{Environment.NewLine}  planned {Describe(Planned)}{Environment.NewLine}  optimal {Describe(Optimal)}";

        private static string Describe(SwapPlan? plan) => plan is null ? "none" :
            $"{plan.Update} {plan.DelayedShare} slots {plan.WeightSlots} {plan.GradientSlots} {plan.ActivationSlots} {plan.TileSlots} {plan.HostWeightSlots} "
            + string.Join(" | ", plan.Units.Select(unit => $"{unit.Weights} {unit.States} {unit.Gradients} {unit.Input} {string.Join(",", unit.Activations)}"));
    }

    internal static Result Run(int seed)
    {
        (PlanRequest request, Workload work) = Case(seed);
        (double optimal, long numPlans, SwapPlan? best) = ExhaustiveSearch.Run(request, work);
        PlanResult result = Planner.Plan(request);
        return new Result(result.Step?.Predicted.StepSeconds ?? double.PositiveInfinity, optimal, numPlans, result.Step?.Plan, best);
    }

    private static (PlanRequest Request, Workload Work) Case(int seed)
    {
        var random = new Random(seed);
        double Around(double middle) => middle * Math.Pow(4, random.NextDouble() - 0.5);
        int kind = seed % 3;
        int numLayers = kind == 1 ? 3 : 2;
        int numMicroBatches = random.Next(1, 4);
        const long LayerParameters = 4_000_000;
        const long HiddenBytes = 4_000_000;
        const double Flops = 4e10;
        bool hasDrives = random.Next(3) > 0;
        ActivationShape[] activations = kind == 0 ? [new ActivationShape("a", (long)Around(HiddenBytes), Around(0.6 * Flops), 0)] : [];
        var work = new Workload
        {
            Units =
            [
                new UnitShape { Name = "embedding", Role = UnitRole.Embedding, NumParameters = kind == 2 ? (long)Around(LayerParameters) : 0, Flops = 0 },
                .. Enumerable.Range(0, numLayers).Select(i => new UnitShape { Name = $"layer {i}", Role = UnitRole.Layer, NumParameters = LayerParameters, Flops = Flops, Activations = activations }),
                new UnitShape { Name = "head", Role = UnitRole.Head, NumParameters = 0, Flops = Flops },
            ],
            NumMicroBatches = numMicroBatches,
            HiddenBytes = HiddenBytes,
            WeightBytes = 2,
            GradientBytes = 2,
            WorkspaceBytes = HiddenBytes,
            TileParameters = LayerParameters / 2,
        };

        // On the average lanes take about as long as each other: 12 TFLOP/s make 3 ms of a forward, 4 M parameters' states are 48 MB.
        double readGBps = Around(8);
        double writeGBps = Around(8);
        var hardware = new HardwareProfile
        {
            Name = "random",
            Gpu = new GpuProfile { MemoryGiB = 1, MatmulTflops = Around(12), H2dGBps = Around(4), D2hGBps = Around(4), DuplexGBps = Around(3) },
            Cpu = new CpuProfile { MemoryGiB = 1, AdamGParamsPerSecond = Around(0.6), MemoryGBps = random.Next(2) == 0 ? null : Around(40) },
            Ssd = hasDrives ? new SsdProfile { ReadGBps = readGBps, WriteGBps = writeGBps, MixedReadGBps = 0.5 * readGBps, MixedWriteGBps = 0.6 * writeGBps } : null,
        };
        long parameterBytes = 16L * work.Units.Sum(unit => unit.NumParameters);
        var request = new PlanRequest
        {
            WorkloadOf = _ => work,
            Model = new ModelProfile(1, 1, 1, 1),
            SequenceTokens = 1,
            SequencesPerStep = numMicroBatches,
            Hardware = hardware,
            // From what slots take at least to where all fits.
            GpuBudgetBytes = (long)(((8 + (3 * numMicroBatches)) * HiddenBytes) + (parameterBytes * 1.5 * random.NextDouble())) + (6 * LayerParameters),
            CpuBudgetBytes = (long)(parameterBytes * (0.45 + (1.1 * random.NextDouble()))) + (numMicroBatches * HiddenBytes),
            NvmeBudgetBytes = hasDrives ? 1L << 40 : null,
            Choices = new PlanChoices { MicroBatchSequences = 1, IsClipped = random.Next(2) == 0, StopsOnNan = true },
        };
        return (request, work);
    }
}
