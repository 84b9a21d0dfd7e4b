using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Tests.Planning;

public sealed class OverlapTests(ITestOutputHelper output)
{
    // What no order hides is the work of two to four layers, however many there are: at the turn to the backward the drives wait for the last
    // layer's first gradients, at the turn to the next forward compute waits for the first layer's update. 48 layers: up to 1.081; 64: up to 1.06.
    private const int NumLayers = 64;

    [Theory]
    [InlineData(UpdateMode.Immediate, 1)]
    [InlineData(UpdateMode.Immediate, 2)]
    [InlineData(UpdateMode.Immediate, 4)]
    [InlineData(UpdateMode.Speculative, 1)]
    [InlineData(UpdateMode.Speculative, 2)]
    [InlineData(UpdateMode.Speculative, 4)]
    public void Train_BalancedLanes_TakesHardlyLongerThanTheBusiest(UpdateMode mode, int numMicroBatches)
    {
        // A third of the FLOPs is forward's: so much of the updates under it.
        Workload work = BalancedStep.CreateWork(NumLayers, numMicroBatches);
        SwapPlan plan = BalancedStep.CreatePlan(work, mode) with { DelayedShare = 0.34, ActivationSlots = 3 };
        StepSchedule schedule = SwapSchedules.Train(work, plan);
        for (int seed = 0; seed < 6; seed++)
        {
            var random = new Random(seed);
            double[] lanes = [.. Enum.GetValues<Lane>().Select(_ => 1 - (0.18 * random.NextDouble()))];

            SimulationResult result = BalancedStep.Play(schedule, BalancedStep.Balance(schedule, lane => lanes[(int)lane]));

            double busiest = result.BusySeconds(result.Bottleneck);
            output.WriteLine($"{mode}, {numMicroBatches} micro-batches: {result.PeriodSeconds / busiest:F3} of the busiest lane");
            Assert.InRange(result.PeriodSeconds, busiest * 0.999, busiest * 1.08);
            Assert.True(Enum.GetValues<Lane>().Sum(result.BusySeconds) > 2 * result.PeriodSeconds);
        }
    }

    /// <summary>
    /// Where updates are all under the forward, or all under the backward, a step is two stages, each as long as its busiest lane; wherever
    /// weights and activations are.
    /// </summary>
    [Theory]
    [InlineData(StepOrder.LayerMajor, UpdateMode.Deferred, 1)]
    [InlineData(StepOrder.LayerMajor, UpdateMode.Deferred, 2)]
    [InlineData(StepOrder.LayerMajor, UpdateMode.Deferred, 4)]
    [InlineData(StepOrder.LayerMajor, UpdateMode.Immediate, 1)]
    [InlineData(StepOrder.LayerMajor, UpdateMode.Immediate, 2)]
    [InlineData(StepOrder.LayerMajor, UpdateMode.Immediate, 4)]
    [InlineData(StepOrder.Fuyou, UpdateMode.Immediate, 1)]
    public void Train_UpdatesInOneStage_TakesHardlyLongerThanBothStages(StepOrder order, UpdateMode mode, int numMicroBatches)
    {
        foreach (Tier weights in new[] { Tier.Cpu, Tier.Nvme })
        {
            foreach (Tier activations in new[] { Tier.Cpu, Tier.Nvme })
            {
                Workload work = BalancedStep.CreateWork(NumLayers, numMicroBatches);
                SwapPlan plan = BalancedStep.CreatePlan(work, mode) with { Order = order, WeightSlots = 3, ActivationSlots = 3, StagingSlots = 4, TileSlots = 4 };
                StepSchedule schedule = SwapSchedules.Train(work, BalancedStep.Move(plan, weights, activations));
                Func<Operation, double> seconds = BalancedStep.Balance(schedule, _ => 1);

                SimulationResult result = BalancedStep.Play(schedule, seconds);

                double stages = BalancedStep.StageSeconds(schedule, seconds);
                output.WriteLine($"weights {weights}, activations {activations}: {result.PeriodSeconds / stages:F3} of both stages");
                Assert.InRange(result.PeriodSeconds, result.BusySeconds(result.Bottleneck) * 0.999, stages * 1.08);
            }
        }
    }

    [Fact]
    public void Train_OneTileSlotAndOneSlotOfEach_StillEnds()
    {
        Workload work = BalancedStep.CreateWork(4, 2);
        SwapPlan plan = BalancedStep.CreatePlan(work, UpdateMode.Deferred) with
        {
            WeightSlots = 1,
            GradientSlots = 1,
            ActivationSlots = 1,
            StagingSlots = 1,
            HostWeightSlots = 1,
            TileSlots = 1,
            GradientStagingSlots = 1,
        };
        StepSchedule schedule = SwapSchedules.Train(work, BalancedStep.Move(plan, Tier.Nvme, Tier.Nvme));

        SimulationResult result = BalancedStep.Play(schedule, BalancedStep.Balance(schedule, _ => 1));

        Assert.True(result.PeriodSeconds > result.BusySeconds(result.Bottleneck));
    }
}
