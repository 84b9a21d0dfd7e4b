using Offload.Swap.Schedules;

namespace Offload.Swap.Simulation;

/// <summary>
/// A schedule as the simulator reads it: each lane's operations, and what each waits for as "so many operations of that lane are done", which
/// is enough because lanes run in order.
/// </summary>
internal sealed class LaneProgram
{
    public LaneProgram(StepSchedule schedule)
    {
        int count = schedule.Operations.Count;
        Queues = new int[SimulationResult.NumLanes][];
        var position = new int[count];
        for (int lane = 0; lane < Queues.Length; lane++)
        {
            Queues[lane] = [.. Enumerable.Range(0, count).Where(operation => (int)schedule.Operations[operation].Lane == lane)];
            for (int i = 0; i < Queues[lane].Length; i++)
            {
                position[Queues[lane][i]] = i;
            }
        }

        Start = new int[count + 1];
        var needs = new List<Need>();
        for (int operation = 0; operation < count; operation++)
        {
            foreach (Dependency dependency in schedule.DependenciesOf(operation))
            {
                int lane = (int)schedule.Operations[dependency.Operation].Lane;
                needs.Add(new Need(lane, position[dependency.Operation] + 1, dependency.IsFromPeriodBefore ? 1 : 0));
            }

            Start[operation + 1] = needs.Count;
        }

        Needs = [.. needs];
    }

    /// <summary>Each lane's operations in order.</summary>
    public int[][] Queues { get; }

    /// <summary>Where an operation's needs begin; one more than there are operations.</summary>
    public int[] Start { get; }

    /// <summary>All needs.</summary>
    public Need[] Needs { get; }

    /// <summary>So many operations of a lane are done, counted from the beginning of a period.</summary>
    /// <param name="Lane">The lane.</param>
    /// <param name="Count">How many of that period's.</param>
    /// <param name="PeriodsBack">Which period: this one (0) or the one before (1).</param>
    internal readonly record struct Need(int Lane, int Count, int PeriodsBack);
}
