using System.Diagnostics;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Benchmarks;

/// <summary>"simulator": operations a second that the simulator plays, of a realistic schedule with all sharing on.</summary>
internal static class SimulatorRate
{
    private const int NumPeriods = 16;
    private const int NumRounds = 25;

    internal static int Run()
    {
        StepSchedule schedule = SwapWorkloads.Create();
        foreach ((string name, SharedRates shared) in new[] { ("rates not shared", new SharedRates()), ("rates shared", SwapWorkloads.Shared) })
        {
            var simulator = new Simulator(schedule, SwapWorkloads.CostOf, shared);
            foreach (bool keepsAllPeriods in new[] { true, false })
            {
                var rates = new double[NumRounds];
                for (int round = 0; round < NumRounds; round++)
                {
                    long begin = Stopwatch.GetTimestamp();
                    SimulationResult result = simulator.Run(NumPeriods, keepsAllPeriods);
                    rates[round] = schedule.Operations.Count * (double)NumPeriods / Stopwatch.GetElapsedTime(begin).TotalSeconds;
                    GC.KeepAlive(result);
                }

                Array.Sort(rates);
                Console.WriteLine(
                    $"{schedule.Operations.Count} operations, {name}, {(keepsAllPeriods ? "all periods" : "two periods")} kept: median {rates[NumRounds / 2] / 1e6:F2} M operations/s, worst {rates[0] / 1e6:F2}, best {rates[^1] / 1e6:F2}");
            }

            SimulationResult last = simulator.Run(NumPeriods);
            Console.WriteLine($"  period {last.PeriodSeconds:F3} s: " + string.Join(", ", Enum.GetValues<Lane>().Select(lane => $"{lane} {last.BusySeconds(lane):F3}")));
        }

        return 0;
    }
}
