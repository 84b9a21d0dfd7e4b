namespace Offload.Profiles.Tests;

public class ThroughputMeterTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void EndStep_SteadySteps_IsTheirRate()
    {
        var meter = new ThroughputMeter(_time);
        meter.Start();
        for (int step = 0; step < 30; step++)
        {
            _time.Pass(2);
            Assert.Equal(50, meter.EndStep(100), 1e-9);
        }

        Assert.Equal(50, meter.Average(), 1e-9);
    }

    [Fact]
    public void EndStep_RateChanges_FollowsWithinTheWindow()
    {
        var meter = new ThroughputMeter(_time, windowSteps: 4);
        meter.Start();
        Step(10, seconds: 1);
        double[] rates = [.. Enumerable.Range(0, 5).Select(_ => StepOnce(seconds: 3))];

        // 400 tokens in the window, of which one, two, three, four steps are slow.
        Assert.Equal([400 / 6.0, 400 / 8.0, 400 / 10.0, 400 / 12.0, 400 / 12.0], rates, (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal(1500 / 25.0, meter.Average(), 1e-9);

        void Step(int count, double seconds)
        {
            for (int step = 0; step < count; step++)
            {
                StepOnce(seconds);
            }
        }

        double StepOnce(double seconds)
        {
            _time.Pass(seconds);
            return meter.EndStep(100);
        }
    }

    [Fact]
    public void Exclude_Pause_DoesNotCount()
    {
        var meter = new ThroughputMeter(_time);
        _time.Pass(1000);
        meter.Start();
        _time.Pass(1);
        meter.EndStep(100);
        _time.Pass(600);
        meter.Exclude(TimeSpan.FromSeconds(600));
        _time.Pass(1);

        Assert.Equal(100, meter.EndStep(100), 1e-6);
        Assert.Equal(100, meter.Average(), 1e-6);
    }

    [Fact]
    public void EndStep_NoTimeHasPassed_IsZeroNotInfinite()
    {
        var meter = new ThroughputMeter(_time);
        meter.Start();

        Assert.Equal(0, meter.EndStep(100));
        Assert.Equal(0, meter.Average());
    }

    private sealed class ManualTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => _ticks;

        public void Pass(double seconds) => _ticks += (long)(seconds * TimestampFrequency);
    }
}
