using System.Diagnostics;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Benchmarks;

/// <summary>
/// "executor": time an operation that does nothing takes, in steady state. In one lane no threads change; where two lanes take turns over one
/// slot, each operation waits for one of the other lane and wakes it.
/// </summary>
internal static class ExecutorOverhead
{
    private const int NumRounds = 15;

    internal static int Run()
    {
        Measure("one lane, no hand-over", OneLane(1000), numPeriods: 200, new ExecutorOptions());
        Measure("one lane, no hand-over, recorded", OneLane(1000), numPeriods: 200, new ExecutorOptions { MaxTracePeriods = 4 });
        Measure("two lanes in turn, a hand-over each", InTurn(1000), numPeriods: 5, new ExecutorOptions());
        Measure("two lanes in turn, recorded", InTurn(1000), numPeriods: 5, new ExecutorOptions { MaxTracePeriods = 4 });
        Measure("two lanes in turn, sequential", InTurn(1000), numPeriods: 200, new ExecutorOptions { IsSequential = true });
        Measure("real schedule, all lanes", SwapWorkloads.Create(), numPeriods: 3, new ExecutorOptions { MaxTracePeriods = 4 });
        return 0;
    }

    private static void Measure(string name, StepSchedule schedule, int numPeriods, ExecutorOptions options)
    {
        using var executor = new ScheduleExecutor(schedule, new Nothing(), options);
        var microseconds = new double[NumRounds];
        for (int round = -2; round < NumRounds; round++)
        {
            long begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < numPeriods; i++)
            {
                executor.Release();
            }

            executor.Drain();
            if (round >= 0)
            {
                microseconds[round] = Stopwatch.GetElapsedTime(begin).TotalMicroseconds / (numPeriods * schedule.Operations.Count);
            }
        }

        Array.Sort(microseconds);
        Console.WriteLine($"{name}: median {microseconds[NumRounds / 2]:F2} us an operation, best {microseconds[0]:F2}, worst {microseconds[^1]:F2}");
    }

    private static StepSchedule OneLane(int numOperations)
    {
        var builder = new ScheduleBuilder();
        int slot = builder.AddSlot("slot", Tier.Gpu, 1);
        for (int i = 0; i < numOperations; i++)
        {
            builder.Add(Make(OperationKind.Forward, i), new SlotAccess(slot, AccessMode.Write, i));
        }

        return builder.Build();
    }

    private static StepSchedule InTurn(int numOperations)
    {
        var builder = new ScheduleBuilder();
        int slot = builder.AddSlot("slot", Tier.Gpu, 1);
        for (int i = 0; i < numOperations; i++)
        {
            builder.Add(Make(i % 2 == 0 ? OperationKind.LoadWeights : OperationKind.Forward, i), new SlotAccess(slot, AccessMode.Write, i));
        }

        return builder.Build();
    }

    private static Operation Make(OperationKind kind, int unit) => new() { Kind = kind, Unit = unit, MicroBatch = Operation.None, Tile = Operation.None };

    private sealed class Nothing : IOperationHandler
    {
        public void Run(int operation, long period, CancellationToken cancellation)
        {
        }
    }
}
