namespace Offload.Swap.Execution;

/// <summary>Times of the last periods' operations. Memory is taken once. One thread at a time.</summary>
internal sealed class TraceRing
{
    /// <summary>Cause of a wait that only the times of all lanes tell: of an operation that a device began.</summary>
    public const int ByTimes = -2;

    private readonly int _numOperations;
    private readonly long[] _start;
    private readonly long[] _end;
    private readonly sbyte[] _waitedFor;

    public TraceRing(int numOperations, int maxPeriods)
    {
        _numOperations = numOperations;
        MaxPeriods = maxPeriods;
        _start = new long[checked(numOperations * maxPeriods)];
        _end = new long[_start.Length];
        _waitedFor = new sbyte[_start.Length];
    }

    /// <summary>Periods that have room.</summary>
    public int MaxPeriods { get; }

    /// <summary>Notes what an operation has waited for, in place of the one so many periods before.</summary>
    public void AddCause(int operation, long period, int waitedFor) => _waitedFor[Index(operation, period)] = (sbyte)waitedFor;

    /// <summary>Notes when it ran.</summary>
    public void AddTimes(int operation, long period, long startTicks, long endTicks)
    {
        int index = Index(operation, period);
        _start[index] = startTicks;
        _end[index] = endTicks;
    }

    /// <summary>What is noted of an operation that is still there.</summary>
    public (long StartTicks, long EndTicks, sbyte WaitedFor) Get(int operation, long period)
    {
        int index = Index(operation, period);
        return (_start[index], _end[index], _waitedFor[index]);
    }

    private int Index(int operation, long period) => ((int)(period % MaxPeriods) * _numOperations) + operation;
}
