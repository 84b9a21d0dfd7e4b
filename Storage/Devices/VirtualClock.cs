namespace Offload.Storage.Devices;

/// <summary>
/// A clock that stands still until it is told to jump to the next moment at which something happens: hours of simulated transfers take no
/// time, and always come out the same. Devices that run on it have no thread: their completions come on the thread that advances the clock,
/// one at a time. Whoever waits for a device must therefore advance instead of block.
/// </summary>
public sealed class VirtualClock : TimeProvider
{
    private readonly object _gate = new();
    private ITimedWork[] _works = [];
    private long _nowNanoseconds;

    /// <summary>Nanoseconds.</summary>
    public override long TimestampFrequency => 1_000_000_000;

    /// <summary>Time since the clock was made.</summary>
    public TimeSpan Elapsed => TimeSpan.FromTicks(GetTimestamp() / TimedThread.NanosecondsPerTick);

    /// <inheritdoc/>
    public override long GetTimestamp() => Interlocked.Read(ref _nowNanoseconds);

    /// <summary>The first moment of 2000, and the time since then.</summary>
    public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero) + Elapsed;

    /// <summary>Not offered: only devices run on this clock.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        throw new NotSupportedException("a virtual clock has no timers");

    /// <summary>Jumps to the next moment at which something is due and does it. Completions run before it returns. One thread at a time.</summary>
    /// <returns>False: nothing is due, ever, and the clock stands where it was.</returns>
    public bool Advance()
    {
        // Asked first, for what was submitted since may have to begin now.
        long dueNanoseconds = RunDue();
        if (dueNanoseconds == long.MaxValue)
        {
            return false;
        }

        Interlocked.Exchange(ref _nowNanoseconds, Math.Max(dueNanoseconds, _nowNanoseconds));
        RunDue();
        return true;
    }

    /// <summary>Advances until a condition holds.</summary>
    /// <param name="condition">Asked before each jump.</param>
    /// <exception cref="InvalidOperationException">Nothing is due any more and it still does not hold: who waits for it would wait forever.</exception>
    public void RunUntil(Func<bool> condition)
    {
        ArgumentNullException.ThrowIfNull(condition);
        while (!condition())
        {
            if (!Advance() && !condition())
            {
                throw new InvalidOperationException("nothing is due on the virtual clock, and what is waited for has not happened");
            }
        }
    }

    internal void Attach(ITimedWork work)
    {
        lock (_gate)
        {
            _works = [.. _works, work];
        }
    }

    internal void Detach(ITimedWork work)
    {
        lock (_gate)
        {
            _works = [.. _works.Where(other => other != work)];
        }
    }

    private long RunDue()
    {
        long earliest = long.MaxValue;
        foreach (ITimedWork work in Volatile.Read(ref _works))
        {
            earliest = Math.Min(earliest, work.RunDue(_nowNanoseconds));
        }

        return earliest;
    }
}
