using System.Diagnostics;
using Offload.Engine.Swapping;

namespace Offload.Engine.Tests.Swapping;

public sealed class PaceTests
{
    [Fact]
    public void Keep_WorkAfterWork_IsNeverFasterThanTheSum()
    {
        var pace = new Pace();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 50; i++)
        {
            pace.Keep(Stopwatch.GetTimestamp(), 0.001, TestContext.Current.CancellationToken);
        }

        Assert.True(Stopwatch.GetElapsedTime(start).TotalSeconds >= 0.05 * 0.999);
    }

    [Fact]
    public void Keep_WorkThatTookLonger_DoesNotWait()
    {
        var pace = new Pace();
        long longAgo = Stopwatch.GetTimestamp() - (60 * Stopwatch.Frequency);
        long start = Stopwatch.GetTimestamp();

        pace.Keep(longAgo, 30, TestContext.Current.CancellationToken);

        Assert.True(Stopwatch.GetElapsedTime(start).TotalSeconds < 20);
    }

    [Fact]
    public void Keep_Cancelled_EndsTheWait()
    {
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();

        Assert.Throws<OperationCanceledException>(() => new Pace().Keep(Stopwatch.GetTimestamp(), 3600, cancellation.Token));
    }
}
