using System.Diagnostics;

namespace Offload.Engine.Swapping;

/// <summary>
/// Copies between the GPU's memory and the CPU's where both are the same RAM; made as slow as a real bus if asked. One thread at a time.
/// </summary>
/// <param name="bytesPerSecond">Rate to keep to; null: as fast as it goes.</param>
internal sealed unsafe class Link(double? bytesPerSecond)
{
    /// <summary>Copies, and returns when a bus of that rate would have.</summary>
    /// <param name="source">First byte.</param>
    /// <param name="destination">First byte.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public void Copy(byte* source, byte* destination, long sizeBytes, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        Buffer.MemoryCopy(source, destination, sizeBytes, sizeBytes);
        Pace(start, sizeBytes, cancellation);
    }

    /// <summary>Waits until a transfer that began at a time would be over.</summary>
    public void Pace(long startTimestamp, long sizeBytes, CancellationToken cancellation)
    {
        if (bytesPerSecond is not double rate)
        {
            return;
        }

        TimeSpan left = TimeSpan.FromSeconds(sizeBytes / rate) - Stopwatch.GetElapsedTime(startTimestamp);
        if (left > TimeSpan.Zero)
        {
            PreciseWait.For(left, cancellation);
        }
    }
}
