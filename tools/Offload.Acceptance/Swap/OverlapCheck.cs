using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Acceptance.Swap;

/// <summary>How much of a step is hidden behind its busiest lane.</summary>
internal static class OverlapCheck
{
    /// <summary>With fewer layers the two turns of a step, which no order hides, weigh more than the bound leaves.</summary>
    private const int NumLayers = 64;

    /// <summary>Of the busiest lane. Long, so that a hand-over between threads, some 100 us with the checksum of a tile, is little beside an operation.</summary>
    private const double LaneSeconds = 3;

    /// <summary>So few that a layer leaves half as many bytes of activations as it has gradients: the bus from the GPU is then as busy in forward as in backward.</summary>
    private const int StepTokens = 64;

    private const double MostOfBusiest = 1.08;
    private const double LeastSequential = 2;
    private const double LeastBalance = 0.8;

    public static bool Run(TextWriter output)
    {
        bool holds = true;
        foreach ((UpdateMode update, int numMicroBatches) in new[] { (UpdateMode.Immediate, 2), (UpdateMode.Speculative, 4) })
        {
            holds &= Run(output, update, numMicroBatches);
        }

        return holds;
    }

    private static bool Run(TextWriter output, UpdateMode update, int numMicroBatches)
    {
        var model = new SmallModel(NumLayers, hidden: 128, sequenceTokens: StepTokens / numMicroBatches, microBatchSequences: 1, numMicroBatches, tileParameters: 1 << 15);
        SwapPlan plan = CreatePlan(model.Work, update);
        var random = new Random(numMicroBatches);
        double[] lanes = [.. Enum.GetValues<Lane>().Select(_ => LaneSeconds * (1 - (0.1 * random.NextDouble())))];
        // Weights cross to the GPU for the forward as for the backward: 40 % of that lane's bytes in the third of the step that compute spends there.
        lanes[(int)Lane.H2D] = 0.85 * LaneSeconds;
        DeviceRates rates = LaneAmounts.Of(model, plan).Rates(lane => lanes[(int)lane], Machine.Ceilings);
        SimulationResult predicted = ThrottledRun.Predict(model, plan, rates);
        ThrottledResult measured = ThrottledRun.Measure(model, plan, rates, numSteps: 5);
        ThrottledResult sequential = ThrottledRun.Measure(model, plan, rates, numSteps: 1, isSequential: true);

        output.WriteLine($"{update}, {numMicroBatches} micro-batches of {model.Numerics.SequenceTokens} tokens, {NumLayers} layers of {model.Work.Units[1].NumParameters} parameters:");
        LaneTable.Write(output, predicted, measured);
        double ofBusiest = measured.StepSeconds / measured.BusiestSeconds;
        double slowdown = sequential.StepSeconds / measured.StepSeconds;
        double balance = Enum.GetValues<Lane>().Select(measured.BusySeconds).Where(seconds => seconds > 0).Min() / measured.BusiestSeconds;
        output.WriteLine(
            $"  {ofBusiest:F3} times the busiest lane (at most {MostOfBusiest}), simulated {predicted.PeriodSeconds / predicted.BusySeconds(predicted.Bottleneck):F3}; one at a time {sequential.StepSeconds:F2} s, {slowdown:F2} times (at least {LeastSequential}); least lane {balance:P0} of the busiest (at least {LeastBalance:P0})");
        return ofBusiest <= MostOfBusiest && slowdown >= LeastSequential && balance >= LeastBalance;
    }

    /// <summary>States on the drives, all else in CPU memory but what the last layer leaves: it is needed again at once.</summary>
    private static SwapPlan CreatePlan(Workload work, UpdateMode update) => new()
    {
        Units =
        [
            .. work.Units.Select((unit, index) =>
            {
                bool isLast = index == work.Units.Count - 2;
                return new UnitPlan
                {
                    Weights = Tier.Cpu,
                    States = Tier.Nvme,
                    Input = isLast ? Tier.Gpu : Tier.Cpu,
                    Activations = [.. unit.Activations.Select(_ => isLast ? ActivationPolicy.Keep : ActivationPolicy.SwapToCpu)],
                };
            }),
        ],
        Update = update,
        IsDurable = true,
        // A third of the FLOPs is the forward's: so much of the updates under it.
        DelayedShare = 0.34,
        ActivationSlots = 3,
        TileSlots = 6,
    };
}
