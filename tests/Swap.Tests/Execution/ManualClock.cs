namespace Offload.Swap.Tests.Execution;

/// <summary>A clock that stands still until it is told.</summary>
internal sealed class ManualClock : TimeProvider
{
    private long _ticks = 1000;

    public override long TimestampFrequency => 1000;

    /// <summary>Lets time pass.</summary>
    internal void Advance(long milliseconds) => Interlocked.Add(ref _ticks, milliseconds);

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);
}
