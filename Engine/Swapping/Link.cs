using System.Diagnostics;

namespace Offload.Engine.Swapping;

/// <summary>
/// Copies between the GPU's memory and the CPU's where both are the same RAM; made as slow as a real bus if asked. One thread at a time.
/// </summary>
/// <param name="bytesPerSecond">Rate to keep to; null: as fast as it goes.</param>
internal sealed unsafe class Link(double? bytesPerSecond)
{
    private readonly Pace _pace = new();

    /// <summary>Copies, and returns when a bus of that rate would have.</summary>
    /// <param name="source">First byte.</param>
    /// <param name="destination">First byte.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Copy(byte* source, byte* destination, long sizeBytes, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        Buffer.MemoryCopy(source, destination, sizeBytes, sizeBytes);
        if (bytesPerSecond is { } rate)
        {
            _pace.Keep(start, sizeBytes / rate, cancellation);
        }
    }
}
