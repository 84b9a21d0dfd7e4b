namespace Offload.Storage.Devices;

/// <summary>The device that a <see cref="ThrottledDevice"/> pretends to be.</summary>
/// <param name="ReadGBps">Read bandwidth in 10^9 bytes a second.</param>
/// <param name="WriteGBps">Write bandwidth in 10^9 bytes a second.</param>
/// <param name="Latency">Added to each request after its transfer; the next transfer does not wait for it.</param>
/// <param name="SharesBudget">Whether reads and writes take turns, as on most drives, or run beside each other.</param>
public sealed record ThrottleOptions(double ReadGBps, double WriteGBps, TimeSpan Latency = default, bool SharesBudget = false)
{
    /// <exception cref="ArgumentOutOfRangeException">A rate is not positive or the latency negative.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ReadGBps);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(WriteGBps);
        ArgumentOutOfRangeException.ThrowIfLessThan(Latency, TimeSpan.Zero);
    }
}
