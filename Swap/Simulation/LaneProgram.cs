using Offload.Swap.Schedules;

namespace Offload.Swap.Simulation;

/// <summary>
/// A schedule as simulator and executor read it: each lane's operations, and what each waits for as "so many operations of that lane are
/// done", which is enough because lanes run in order. Immutable; any thread.
/// </summary>
internal sealed class LaneProgram
{
    public LaneProgram(StepSchedule schedule)
    {
        int count = schedule.Operations.Count;
        LaneOf = new int[count];
        Position = new int[count];
        var lengths = new int[SimulationResult.NumLanes];
        int numNeeds = 0;
        for (int operation = 0; operation < count; operation++)
        {
            int lane = (int)schedule.Lanes[operation];
            LaneOf[operation] = lane;
            Position[operation] = lengths[lane]++;
            numNeeds += schedule.DependenciesOf(operation).Length;
        }

        Queues = [.. lengths.Select(length => new int[length])];
        Start = new int[count + 1];
        Needs = new Need[numNeeds];
        int next = 0;
        for (int operation = 0; operation < count; operation++)
        {
            Queues[LaneOf[operation]][Position[operation]] = operation;
            foreach (Dependency dependency in schedule.DependenciesOf(operation))
            {
                int lane = LaneOf[dependency.Operation];
                Needs[next++] = new Need(lane, lengths[lane], Position[dependency.Operation] + 1 - (dependency.IsFromPeriodBefore ? lengths[lane] : 0));
            }

            Start[operation + 1] = next;
        }
    }

    /// <summary>Each operation's lane.</summary>
    public int[] LaneOf { get; }

    /// <summary>Each operation's place among those of its lane.</summary>
    public int[] Position { get; }

    /// <summary>Each lane's operations in order.</summary>
    public int[][] Queues { get; }

    /// <summary>Where an operation's needs begin; one more than there are operations.</summary>
    public int[] Start { get; }

    /// <summary>All needs.</summary>
    public Need[] Needs { get; }

    /// <summary>The lane of the first need of an operation that is not met.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="period">Its period.</param>
    /// <param name="done">How many operations of each lane are done, of all periods together.</param>
    /// <returns>The lane, or <see cref="Operation.None"/>.</returns>
    public int FirstMissing(int operation, long period, long[] done)
    {
        for (int i = Start[operation]; i < Start[operation + 1]; i++)
        {
            ref readonly Need need = ref Needs[i];
            if (done[need.Lane] < need.TargetOf(period))
            {
                return need.Lane;
            }
        }

        return Operation.None;
    }

    /// <summary>So many operations of a lane are done.</summary>
    /// <param name="Lane">The lane.</param>
    /// <param name="Length">Its operations of one period.</param>
    /// <param name="Offset">How many beyond those of all periods before; not positive if an operation of the period before is needed.</param>
    internal readonly record struct Need(int Lane, int Length, int Offset)
    {
        /// <summary>How many since the beginning, for an operation of a period. Of the first period not positive, if nothing is needed.</summary>
        public long TargetOf(long period) => (period * Length) + Offset;
    }
}
