using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Execution;

/// <summary>What was recorded of some periods, taken out of the ring. Immutable; any thread.</summary>
internal sealed class TraceWindow
{
    private readonly LaneProgram _program;
    private readonly (long StartTicks, long EndTicks, sbyte WaitedFor)[] _times;
    private readonly long _from;

    /// <param name="program">What ran.</param>
    /// <param name="ring">Still has all from <paramref name="from"/> on.</param>
    /// <param name="from">First period to look at: the one before the first, if that is there, as it tells what the first has waited for.</param>
    /// <param name="first">First period of the window.</param>
    /// <param name="end">After its last period.</param>
    public TraceWindow(LaneProgram program, TraceRing ring, long from, long first, long end)
    {
        _program = program;
        _from = from;
        First = first;
        int count = program.LaneOf.Length;
        Length = checked((int)(end - first) * count);
        _times = new (long, long, sbyte)[checked((int)(end - from) * count)];
        for (int i = 0; i < _times.Length; i++)
        {
            _times[i] = ring.Get(i % count, from + (i / count));
        }
    }

    /// <summary>Its first period.</summary>
    public long First { get; }

    /// <summary>Operations of all its periods.</summary>
    public int Length { get; }

    private int Lead => _times.Length - Length;

    /// <summary>Begin and end of each in seconds, period by period in program order, from the first begin on.</summary>
    public (double[] Start, double[] End) Seconds(TimeProvider clock)
    {
        ReadOnlySpan<(long StartTicks, long EndTicks, sbyte WaitedFor)> times = _times.AsSpan(Lead);
        long origin = long.MaxValue;
        foreach ((long start, _, _) in times)
        {
            origin = Math.Min(origin, start);
        }

        var starts = new double[times.Length];
        var ends = new double[times.Length];
        for (int i = 0; i < times.Length; i++)
        {
            starts[i] = clock.GetElapsedTime(origin, times[i].StartTicks).TotalSeconds;
            ends[i] = clock.GetElapsedTime(origin, times[i].EndTicks).TotalSeconds;
        }

        return (starts, ends);
    }

    /// <summary>The lane that each has waited for last, or none.</summary>
    public sbyte[] Causes()
    {
        var causes = new sbyte[Length];
        for (int i = 0; i < causes.Length; i++)
        {
            sbyte waitedFor = _times[Lead + i].WaitedFor;
            causes[i] = waitedFor == TraceRing.ByTimes ? CauseByTimes(i % _program.LaneOf.Length, First + (i / _program.LaneOf.Length)) : waitedFor;
        }

        return causes;
    }

    /// <summary>The lane whose operation ended last of those waited for, if that was after the operation before in the own lane.</summary>
    private sbyte CauseByTimes(int operation, long period)
    {
        int lane = _program.LaneOf[operation];
        int length = _program.Queues[lane].Length;
        long latest = EndOf(lane, (period * length) + _program.Position[operation]);
        int cause = Operation.None;
        for (int i = _program.Start[operation]; i < _program.Start[operation + 1]; i++)
        {
            LaneProgram.Need need = _program.Needs[i];
            long end = EndOf(need.Lane, need.TargetOf(period));
            if (end > latest)
            {
                latest = end;
                cause = need.Lane;
            }
        }

        return (sbyte)cause;
    }

    /// <summary>When the first operations of a lane were done; before all, if that is not known any more.</summary>
    private long EndOf(int lane, long count)
    {
        int[] queue = _program.Queues[lane];
        long period = count <= 0 ? -1 : (count - 1) / queue.Length;
        return period < _from ? long.MinValue : _times[((period - _from) * _program.LaneOf.Length) + queue[(int)((count - 1) % queue.Length)]].EndTicks;
    }
}
