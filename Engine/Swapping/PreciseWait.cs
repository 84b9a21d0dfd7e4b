using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Offload.Engine.Swapping;

/// <summary>Waits that are right to a tenth of a millisecond; the runtime's own are right to one. Stateless; any thread.</summary>
internal static partial class PreciseWait
{
    /// <summary>How long a cancellation may go unnoticed.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(20);

    /// <summary>Blocks for a time.</summary>
    /// <param name="duration">How long.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static void For(TimeSpan duration, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
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

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
