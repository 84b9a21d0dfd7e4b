using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Acceptance.Swap;

/// <summary>Law 7: with everything on the drives a deeper model takes longer by what its layers take, and no more memory.</summary>
internal static class DepthCheck
{
    private const double LayerSeconds = 0.03;
    private const double LeastFit = 0.99;

    /// <summary>What deeper models may take more on a tier.</summary>
    private const double MostGrowth = 1.01;

    private static readonly int[] Depths = [8, 16, 24, 32, 48];

    public static bool Run(TextWriter output)
    {
        SmallModel middle = Create(16);
        DeviceRates rates = LaneAmounts.Of(middle, CreatePlan(middle.Work)).Rates(_ => 16 * LayerSeconds, Machine.Ceilings);
        List<ThrottledResult> results = [];
        output.WriteLine("| layers | parameters | step, s | simulated, s | CPU memory, bytes | GPU memory, bytes |");
        output.WriteLine("|---|---|---|---|---|---|");
        foreach (int depth in Depths)
        {
            SmallModel model = Create(depth);
            SwapPlan plan = CreatePlan(model.Work);
            double predicted = ThrottledRun.Predict(model, plan, rates).PeriodSeconds;
            ThrottledResult result = ThrottledRun.Measure(model, plan, rates, numSteps: 5);
            results.Add(result);
            output.WriteLine(FormattableString.Invariant(
                $"| {depth} | {model.Layout.NumParameters} | {result.StepSeconds:F4} | {predicted:F4} | {result.CpuBytes} | {result.GpuBytes} |"));
        }

        double fit = LinearFit([.. Depths.Select(depth => (double)depth)], [.. results.Select(result => result.StepSeconds)]);
        double cpuGrowth = results[^1].CpuBytes / (double)results[0].CpuBytes;
        double gpuGrowth = results[^1].GpuBytes / (double)results[0].GpuBytes;
        output.WriteLine(FormattableString.Invariant(
            $"linear in depth: R^2 {fit:F5} (above {LeastFit}); from {Depths[0]} to {Depths[^1]} layers CPU memory grows {cpuGrowth:F3} times, GPU memory {gpuGrowth:F3} (at most {MostGrowth})"));
        return fit > LeastFit && cpuGrowth <= MostGrowth && gpuGrowth <= MostGrowth;
    }

    private static SmallModel Create(int numLayers) =>
        new(numLayers, hidden: 128, sequenceTokens: 64, microBatchSequences: 1, numMicroBatches: 2, tileParameters: 1 << 15);

    private static SwapPlan CreatePlan(Workload work) => new()
    {
        Units =
        [
            .. work.Units.Select(unit => new UnitPlan
            {
                Weights = Tier.Nvme,
                States = Tier.Nvme,
                Gradients = Tier.Nvme,
                Input = Tier.Nvme,
                Activations = [.. unit.Activations.Select((_, index) => index == 0 ? ActivationPolicy.SwapToNvme : ActivationPolicy.Recompute)],
            }),
        ],
        Update = UpdateMode.Deferred,
        IsDurable = true,
    };

    /// <summary>R^2 of the best line: the square of the correlation.</summary>
    private static double LinearFit(double[] x, double[] y)
    {
        double meanX = x.Average();
        double meanY = y.Average();
        double product = x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Sum();
        return product * product / (x.Sum(a => (a - meanX) * (a - meanX)) * y.Sum(b => (b - meanY) * (b - meanY)));
    }
}
