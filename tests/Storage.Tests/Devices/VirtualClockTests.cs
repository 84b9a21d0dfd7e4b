using Offload.Storage.Devices;

namespace Offload.Storage.Tests.Devices;

public sealed class VirtualClockTests
{
    [Fact]
    public void Advance_NothingDue_StandsStill()
    {
        var clock = new VirtualClock();

        Assert.False(clock.Advance());
        Assert.Equal(TimeSpan.Zero, clock.Elapsed);
    }

    [Fact]
    public void Advance_SomethingDue_JumpsThereAndDoesIt()
    {
        var clock = new VirtualClock();
        var alarm = new Alarm([500, 1_000_000_000, 1_000_000_000]);
        clock.Attach(alarm);
        long start = clock.GetTimestamp();

        Assert.True(clock.Advance());
        Assert.Equal((500, 1), (clock.GetTimestamp(), alarm.NumRung));
        Assert.True(clock.Advance());
        Assert.Equal((TimeSpan.FromSeconds(1), 3), (clock.GetElapsedTime(start), alarm.NumRung));
        Assert.Equal(new DateTimeOffset(2000, 1, 1, 0, 0, 1, TimeSpan.Zero), clock.GetUtcNow());
        Assert.False(clock.Advance());
    }

    [Fact]
    public void RunUntil_NeverHolds_ThrowsInsteadOfWaitingForever()
    {
        var clock = new VirtualClock();
        var alarm = new Alarm([5]);
        clock.Attach(alarm);

        Assert.Throws<InvalidOperationException>(() => clock.RunUntil(() => false));
        Assert.Equal(1, alarm.NumRung);
    }

    [Fact]
    public void CreateTimer_Always_IsRefused() =>
        Assert.Throws<NotSupportedException>(() => new VirtualClock().CreateTimer(_ => { }, null, TimeSpan.Zero, TimeSpan.Zero));

    private sealed class Alarm(long[] times) : ITimedWork
    {
        internal int NumRung { get; private set; }

        public long RunDue(long nowNanoseconds)
        {
            while (NumRung < times.Length && times[NumRung] <= nowNanoseconds)
            {
                NumRung++;
            }

            return NumRung < times.Length ? times[NumRung] : long.MaxValue;
        }
    }
}
