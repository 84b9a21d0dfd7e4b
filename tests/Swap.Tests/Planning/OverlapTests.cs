using Offload.Swap.Planning;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Tests.Planning;

public sealed class OverlapTests(ITestOutputHelper output)
{
    [Fact]
    public void Explore()
    {
        foreach (int numLayers in new[] { 12, 24, 48 })
        {
            foreach (int m in new[] { 1, 2, 4 })
            {
                foreach (UpdateMode mode in Enum.GetValues<UpdateMode>())
                {
                    foreach (double share in new[] { 0, 0.34 })
                    {
                        if (share > 0 && mode is UpdateMode.Deferred or UpdateMode.Separate)
                        {
                            continue;
                        }

                        foreach (int tileSlots in new[] { 3, 8, 16 })
                        {
                            foreach (double compute in new[] { 1, 0.82 })
                            {
                                Workload work = BalancedStep.CreateWork(numLayers, m);
                                SwapPlan plan = BalancedStep.CreatePlan(work, mode) with { DelayedShare = mode is UpdateMode.Immediate or UpdateMode.Speculative ? share : 0, TileSlots = tileSlots, ActivationSlots = 2, WeightSlots = 2 };
                                StepSchedule schedule = SwapSchedules.Train(work, plan);
                                SimulationResult result = BalancedStep.Play(schedule, BalancedStep.Balance(schedule, lane => lane == Lane.Compute ? compute : 1));
                                output.WriteLine($"{numLayers} layers, {m} mb, {mode} {share} tiles {tileSlots} compute {compute}: {result.PeriodSeconds:F3} idle compute " + string.Join(" ", Enum.GetValues<Lane>().Select(l => $"{l} {result.IdleSeconds(Lane.Compute, l):F3}")) + " ssdr " + string.Join(" ", Enum.GetValues<Lane>().Select(l => $"{l} {result.IdleSeconds(Lane.SsdRead, l):F3}")));
                            }
                        }
                    }
                }
            }
        }
    }
}
