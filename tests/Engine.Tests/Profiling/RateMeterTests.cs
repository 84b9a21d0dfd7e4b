using System.Diagnostics;
using Offload.Engine.Profiling;

namespace Offload.Engine.Tests.Profiling;

public sealed class RateMeterTests
{
    [Fact]
    public void Measure_ShortTime_StillTakesThreeSamplesAfterAWarmUp()
    {
        int calls = 0;

        MeasuredRate rate = new RateMeter(0, CancellationToken.None).Measure("x", "GB/s", 1, "nothing", () => calls++);

        Assert.Equal((3, 4), (rate.Samples, calls));
        Assert.True(rate.FirstDecile <= rate.Median && rate.Median <= rate.NinthDecile);
    }

    [Fact]
    public void Measure_WorkOfKnownTime_IsAmountOverTime()
    {
        MeasuredRate rate = new RateMeter(0.1, CancellationToken.None).Measure("x", "GB/s", 2, "sleep", () => Thread.Sleep(10));

        // A sleep is never shorter, and on a busy machine longer.
        Assert.InRange(rate.Median, 1, 200.1);
        Assert.True(rate.Seconds >= 0.1);
    }

    [Fact]
    public void MeasureSeconds_WorkWithItsOwnClock_IsAmountOverThat()
    {
        MeasuredRate rate = new RateMeter(0, CancellationToken.None).MeasureSeconds("x", "GB/s", 6, "nothing", () => 2);

        Assert.Equal((3.0, 3.0, 3.0, 3), (rate.Median, rate.FirstDecile, rate.NinthDecile, rate.Samples));
        Assert.False(rate.IsUnsteady);
    }

    [Fact]
    public void MeasureSeconds_LongWarmUp_GoesBeforeTheSamples()
    {
        int calls = 0;
        long begin = Stopwatch.GetTimestamp();

        MeasuredRate rate = new RateMeter(0.05, CancellationToken.None, warmUpFraction: 3).MeasureSeconds("x", "GB/s", 1, "sleep", () =>
        {
            calls++;
            Thread.Sleep(5);
            return 1;
        });

        Assert.True(Stopwatch.GetElapsedTime(begin).TotalSeconds >= 4 * 0.05);
        Assert.True(rate.Seconds >= 0.05 && calls > rate.Samples);
    }

    [Fact]
    public void Measure_Cancelled_Stops()
    {
        using var source = new CancellationTokenSource();
        int calls = 0;

        Assert.Throws<OperationCanceledException>(() => new RateMeter(3600, source.Token).Measure("x", "GB/s", 1, "nothing", () =>
        {
            if (++calls == 5)
            {
                source.Cancel();
            }
        }));

        Assert.Equal(5, calls);
    }

    [Theory]
    [InlineData(1.0, 1.2, false)]
    [InlineData(1.0, 1.4, true)]
    public void IsUnsteady_ByTheDeciles_Follows(double first, double ninth, bool expected) =>
        Assert.Equal(expected, new MeasuredRate("x", "GB/s", 1.1, first, ninth, 10, 1, "x").IsUnsteady);
}
