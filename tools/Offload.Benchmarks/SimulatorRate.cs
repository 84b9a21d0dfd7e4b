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
        PrintSetUp("schedule built", () => SwapWorkloads.Create());
        PrintSetUp("simulator made", () => new Simulator(schedule, SwapWorkloads.CostOf, SwapWorkloads.Shared));
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

    /// <summary>What a planner pays for each plan beside the simulation.</summary>
    private static void PrintSetUp(string name, Func<object> make)
    {
        var milliseconds = new double[NumRounds];
        for (int round = 0; round < NumRounds; round++)
        {
            long begin = Stopwatch.GetTimestamp();
            GC.KeepAlive(make());
            milliseconds[round] = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        }

        Array.Sort(milliseconds);
        Console.WriteLine($"{name}: median {milliseconds[NumRounds / 2]:F2} ms");
    }
}
