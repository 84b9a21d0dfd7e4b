using System.Diagnostics;
using Offload.Storage.Interop;

namespace Offload.Storage.Devices;

/// <summary>One thread that runs a <see cref="ITimedWork"/> when it is due, to some ten microseconds, and sleeps in between.</summary>
internal sealed class TimedThread : IDisposable
{
    internal const long NanosecondsPerTick = 1_000_000_000 / TimeSpan.TicksPerSecond;

    private readonly ITimedWork _work;
    private readonly WakeableTimer _timer = new();
    private readonly Thread _thread;
    private volatile bool _isStopping;

    /// <param name="work">What it runs.</param>
    /// <param name="name">Of the thread.</param>
    internal TimedThread(ITimedWork work, string name)
    {
        _work = work;
        _thread = new Thread(Run) { Name = name, IsBackground = true };
        try
        {
            _thread.Start();
        }
        catch
        {
            _timer.Dispose();
            throw;
        }
    }

    /// <summary>The monotonic clock.</summary>
    internal static long NowNanoseconds() => Stopwatch.GetElapsedTime(0).Ticks * NanosecondsPerTick;

    /// <summary>The work may be due earlier than it said: it is asked again. Any thread; not after disposal.</summary>
    internal void Signal() => _timer.Signal();

    /// <summary>Ends the thread; waits for what it runs.</summary>
    public void Dispose()
    {
        _isStopping = true;
        _timer.Signal();
        _thread.Join();
        _timer.Dispose();
    }

    private void Run()
    {
        WakeableTimer.SharpenThisThread();
        while (!_isStopping)
        {
            long dueNanoseconds = _work.RunDue(NowNanoseconds());
            _timer.Wait(dueNanoseconds == long.MaxValue ? long.MaxValue : Math.Max(dueNanoseconds - NowNanoseconds(), 0));
        }
    }
}
