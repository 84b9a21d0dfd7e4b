using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Offload.Engine.Swapping;

/// <summary>Waits that are right to some ten microseconds on a machine with a core to spare; the runtime's own are right to one. Stateless; any thread.</summary>
internal static partial class PreciseWait
{
    /// <summary>How long a cancellation may go unnoticed.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(20);

    private const int SetTimerSlack = 29;

    [ThreadStatic]
    private static bool _isSharp;

    /// <summary>Blocks for a time.</summary>
    /// <param name="duration">How long.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static void For(TimeSpan duration, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        if (!_isSharp)
        {
            // By default the kernel may round each sleep up by 50 microseconds to save power. Refused: sleeps stay that much less exact.
            _ = ProcessControl(SetTimerSlack, 1, 0, 0, 0);
            _isSharp = true;
        }

        for (TimeSpan left = duration; left > TimeSpan.Zero; left = duration - Stopwatch.GetElapsedTime(start))
        {
            cancellation.ThrowIfCancellationRequested();
            var wait = new TimeSpec { Nanoseconds = (nint)(Math.Min(left.Ticks, Longest.Ticks) * TimeSpan.NanosecondsPerTick) };

            // An interrupted wait is only short: the loop goes on.
            _ = NanoSleep(wait, 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int NanoSleep(in TimeSpec duration, nint remaining);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int ProcessControl(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
