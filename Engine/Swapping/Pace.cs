using System.Diagnostics;

namespace Offload.Engine.Swapping;

/// <summary>
/// Makes what a lane does take as long as on slower hardware. Times add up as such hardware would have them, not as the clock showed when a thread
/// got to it: a wait that ends late makes one operation late and none after it. One thread at a time.
/// </summary>
internal sealed class Pace
{
    /// <summary>
    /// Lateness that the next operation makes good at most: several times what a thread waits for a core on a machine with other work. Without a
    /// bound a stop of the whole process would be followed by hardware without limits.
    /// </summary>
    private const double MaxLateSeconds = 0.02;

    private double _freeSeconds;
    private double _lateSeconds;

    /// <summary>Waits until work that began at a time would be over; it is done, so it takes no less than it took.</summary>
    /// <param name="startTimestamp">When it began.</param>
    /// <param name="seconds">What it takes on the slower hardware.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Keep(long startTimestamp, double seconds, CancellationToken cancellation)
    {
        // Who asks was kept waiting by as much as the last wait ended late.
        double end = Math.Max(_freeSeconds, SecondsOf(startTimestamp) - _lateSeconds) + seconds;
        double left = end - SecondsOf(Stopwatch.GetTimestamp());
        if (left > 0)
        {
            PreciseWait.For(TimeSpan.FromSeconds(left), cancellation);
        }

        _freeSeconds = end;
        _lateSeconds = Math.Clamp(SecondsOf(Stopwatch.GetTimestamp()) - end, 0, MaxLateSeconds);
    }

    private static double SecondsOf(long timestamp) => timestamp / (double)Stopwatch.Frequency;
}
