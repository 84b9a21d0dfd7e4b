namespace Offload.Storage.Devices;

/// <summary>What every device asks of a request before it begins.</summary>
internal static unsafe class DeviceRange
{
    /// <summary>Refuses a request that is not aligned or not on the device: an error of the program, not of the disk.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public static void Check(BlockRequest request, long sizeBytes, int alignmentBytes)
    {
        long alignedBits = request.OffsetBytes | (long)request.Address | (uint)request.SizeBytes;
        if ((alignedBits & (alignmentBytes - 1)) != 0)
        {
            throw new ArgumentException(
                $"expected multiples of {alignmentBytes}: offset {request.OffsetBytes}, size {request.SizeBytes}, address {(long)request.Address:x}", nameof(request));
        }

        if (request.SizeBytes <= 0 || request.OffsetBytes < 0 || request.OffsetBytes > sizeBytes - request.SizeBytes)
        {
            throw new ArgumentException($"{request.SizeBytes} bytes at offset {request.OffsetBytes} are not within the {sizeBytes} of the device", nameof(request));
        }
    }
}
