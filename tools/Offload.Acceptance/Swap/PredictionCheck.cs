using System.Globalization;
using Offload.Engine.Models;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;
using Offload.Swap.Tests.Planning;

namespace Offload.Acceptance.Swap;

/// <summary>Law 6: the simulated step is the measured one.</summary>
internal static class PredictionCheck
{
    private const int NumSettings = 32;
    private const int NumSteps = 5;
    private const double MostAtMedian = 0.05;
    private const double MostAtWorst = 0.10;

    public static bool Run(TextWriter output)
    {
        var errors = new List<double>();
        output.WriteLine("| seed | model | plan | bound by | simulated, s | measured, s | |");
        output.WriteLine("|---|---|---|---|---|---|---|");
        (int first, int count) = Seeds();
        for (int seed = first; seed < first + count; seed++)
        {
            errors.Add(Math.Abs(Measure(output, seed)));
        }

        errors.Sort();
        double median = (errors[(count - 1) / 2] + errors[count / 2]) / 2;
        output.WriteLine($"|predicted - measured| / measured: median {median:P1} (at most {MostAtMedian:P0}), worst {errors[^1]:P1} (at most {MostAtWorst:P0})");
        return median <= MostAtMedian && errors[^1] <= MostAtWorst;
    }

    /// <summary>Other settings, to see that nothing is tuned to these: OFFLOAD_SWAP_SEEDS=FIRST-LAST.</summary>
    private static (int First, int Count) Seeds()
    {
        string? range = Environment.GetEnvironmentVariable("OFFLOAD_SWAP_SEEDS");
        if (range is null)
        {
            return (0, NumSettings);
        }

        int[] ends = [.. range.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture))];
        return (ends[0], ends[^1] - ends[0] + 1);
    }

    /// <summary>One setting; also by hand, with its lanes, when one is off.</summary>
    private static double Measure(TextWriter output, int seed)
    {
        var random = new Random(seed);
        var model = new SmallModel(
            numLayers: random.Next(3, 9),
            hidden: 32 * random.Next(2, 6),
            sequenceTokens: 16 * random.Next(1, 4),
            microBatchSequences: random.Next(1, 3),
            numMicroBatches: random.Next(1, 5),
            tileParameters: 4096 * random.Next(2, 9),
            type: random.Next(4) == 0 ? ComputeType.Float32 : ComputeType.BFloat16);
        SwapPlan plan = RandomPlan.For(model.Work, random);
        double longest = 0.25 + (0.2 * random.NextDouble());
        double[] lanes = [.. Enum.GetValues<Lane>().Select(_ => longest * (0.3 + (0.7 * random.NextDouble())))];
        DeviceRates rates = LaneAmounts.Of(model, plan).Rates(lane => lanes[(int)lane], Machine.Ceilings);
        SimulationResult predicted = ThrottledRun.Predict(model, plan, rates);
        ThrottledResult measured = ThrottledRun.Measure(model, plan, rates, NumSteps);
        double error = (predicted.PeriodSeconds - measured.StepSeconds) / measured.StepSeconds;
        string sizes = $"{model.Layout.Config.NumLayers} x {model.Layout.Config.HiddenSize}, {model.Work.NumMicroBatches} x {model.Numerics.MicroBatchSequences * model.Numerics.SequenceTokens} tokens, {model.Numerics.Type}";
        output.WriteLine(FormattableString.Invariant(
            $"| {seed} | {sizes} | {plan.Order}, {plan.Update}, delayed {plan.DelayedShare:F2}{(plan.IsDurable ? "" : ", no drives")} | {predicted.Bottleneck} | {predicted.PeriodSeconds:F3} | {measured.StepSeconds:F3} | {error:+0.0 %;-0.0 %} |"));
        if (Math.Abs(error) > MostAtMedian)
        {
            LaneTable.Write(output, predicted, measured);
            KindTable.Write(output, model, plan, rates, measured);
        }

        return error;
    }
}
