namespace Offload.Storage.Devices;

/// <summary>What a device was measured to do.</summary>
/// <param name="ReadGBps">10^9 bytes a second, reading.</param>
/// <param name="WriteGBps">10^9 bytes a second, writing and flushing.</param>
public readonly record struct DeviceSpeed(double ReadGBps, double WriteGBps)
{
    /// <summary>One number for a device that reads as many bytes as it writes, as a state store does: the harmonic mean.</summary>
    public double MeanGBps => 2 / ((1 / ReadGBps) + (1 / WriteGBps));

    /// <summary>
    /// Writes a range in order, flushes, and reads it back, several requests at a time. OVERWRITES the range: for devices that hold nothing yet. The
    /// bytes are random, for drives that compress. Blocks; about 256 MiB at least to be past a drive's own cache and start-up.
    /// </summary>
    /// <param name="device">Must be idle; borrowed.</param>
    /// <param name="offsetBytes">First byte of the range; aligned.</param>
    /// <param name="sizeBytes">Size of the range; rounded down to whole requests, at least one.</param>
    /// <param name="requestBytes">Size of a request; aligned.</param>
    /// <param name="depth">Requests in flight.</param>
    /// <param name="clock">The clock the device runs on; null: the real one.</param>
    /// <exception cref="StorageException">The device reported an error.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range holds no request, or the depth is not positive.</exception>
    public static DeviceSpeed Measure(
        IBlockDevice device, long offsetBytes, long sizeBytes, int requestBytes = 1 << 20, int depth = 8, VirtualClock? clock = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(requestBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(depth);
        ArgumentOutOfRangeException.ThrowIfLessThan(sizeBytes, requestBytes);
        long numRequests = sizeBytes / requestBytes;
        TimeProvider time = clock ?? TimeProvider.System;
        using var stream = new SequentialTransfer(device, requestBytes, depth, clock);
        long start = time.GetTimestamp();
        stream.Run(BlockOperation.Write, offsetBytes, numRequests);
        device.Flush();
        double writeSeconds = (time.GetTimestamp() - start) / (double)time.TimestampFrequency;
        start = time.GetTimestamp();
        stream.Run(BlockOperation.Read, offsetBytes, numRequests);
        double readSeconds = (time.GetTimestamp() - start) / (double)time.TimestampFrequency;
        double gigabytes = numRequests * requestBytes / 1e9;
        return new DeviceSpeed(gigabytes / readSeconds, gigabytes / writeSeconds);
    }
}
