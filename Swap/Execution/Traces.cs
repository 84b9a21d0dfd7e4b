using System.Globalization;
using Offload.Profiles.Tracing;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>Makes traces of what a schedule did, simulated or executed: by the same code, so that they compare. Stateless; any thread.</summary>
public static class Traces
{
    private static readonly string[] LaneNames = Enum.GetNames<Lane>();

    /// <summary>The trace of a simulated run.</summary>
    /// <param name="schedule">What was simulated.</param>
    /// <param name="result">What came out. Of two kept periods, the second counts as steady.</param>
    /// <param name="unitNames">Names of the units; null: their numbers.</param>
    /// <exception cref="ArgumentException">The result is of another schedule.</exception>
    public static StepTrace FromSimulation(StepSchedule schedule, SimulationResult result, IReadOnlyList<string>? unitNames = null) =>
        Create(schedule, unitNames, result.FirstPeriod, result.StartSeconds, result.EndSeconds, result.WaitedForLane);

    /// <summary>A trace of times: period by period, in program order.</summary>
    internal static StepTrace Create(
        StepSchedule schedule,
        IReadOnlyList<string>? unitNames,
        long firstPeriod,
        IReadOnlyList<double> startSeconds,
        IReadOnlyList<double> endSeconds,
        IReadOnlyList<sbyte> waitedFor,
        int? numSteady = null)
    {
        int count = schedule.Operations.Count;
        int numPeriods = count == 0 ? 0 : startSeconds.Count / count;
        if (startSeconds.Count != numPeriods * count)
        {
            throw new ArgumentException($"{startSeconds.Count} times for a schedule of {count} operations", nameof(schedule));
        }

        double origin = startSeconds.Count == 0 ? 0 : startSeconds.Min();
        var account = new LaneAccount(numPeriods, numSteady);
        var operations = new TraceOperation[startSeconds.Count];
        for (int i = 0; i < operations.Length; i++)
        {
            Operation operation = schedule.Operations[i % count];
            double start = startSeconds[i] - origin;
            double end = endSeconds[i] - origin;
            account.Add((int)operation.Lane, i / count, waitedFor[i], start, end);
            operations[i] = new TraceOperation
            {
                Index = i % count,
                Lane = (int)operation.Lane,
                Kind = operation.Kind.ToString(),
                Unit = UnitName(operation.Unit, unitNames),
                MicroBatch = operation.MicroBatch,
                Tile = operation.Tile,
                Period = firstPeriod + (i / count),
                StartSeconds = start,
                EndSeconds = end,
                WaitedForLane = waitedFor[i],
                Amount = operation.Amount,
                Flops = operation.Flops + operation.AttentionFlops,
            };
        }

        return new StepTrace
        {
            Lanes = LaneNames,
            Operations = operations,
            NumPeriods = numPeriods,
            PeriodSeconds = account.PeriodSeconds,
            PeriodEndSeconds = account.PeriodEndSeconds,
            Summaries = [.. LaneNames.Select((name, lane) => Summarise(name, lane, account))],
        };
    }

    private static LaneSummary Summarise(string name, int lane, LaneAccount account)
    {
        var idle = new Dictionary<string, double>();
        for (int cause = Operation.None; cause < LaneNames.Length; cause++)
        {
            double seconds = account.IdleSeconds(lane, cause);
            if (seconds > 0)
            {
                idle.Add(cause == Operation.None ? LaneSummary.OtherCause : LaneNames[cause], seconds);
            }
        }

        return new LaneSummary { Name = name, BusySeconds = account.BusySeconds(lane), IdleSeconds = idle };
    }

    private static string UnitName(int unit, IReadOnlyList<string>? names) =>
        unit == Operation.None ? "" : names is null ? unit.ToString(CultureInfo.InvariantCulture) : names[unit];
}
