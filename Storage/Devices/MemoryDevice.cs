using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>A device in memory: transfers complete before <see cref="Submit"/> returns. For tests and simulation.</summary>
public sealed unsafe class MemoryDevice : IBlockDevice
{
    private readonly NativeBuffer _contents;
    private long _bytesRead;
    private long _bytesWritten;
    private long _flushes;

    /// <param name="sizeBytes">Size; zeros.</param>
    /// <param name="alignmentBytes">A power of two, at most 4096.</param>
    /// <param name="path">Its name in messages.</param>
    public MemoryDevice(long sizeBytes, int alignmentBytes = 512, string path = "memory")
    {
        SizeBytes = sizeBytes;
        AlignmentBytes = alignmentBytes;
        Path = path;
        _contents = new NativeBuffer(sizeBytes);
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <inheritdoc/>
    public int AlignmentBytes { get; }

    /// <inheritdoc/>
    public DeviceTraffic Traffic => new(Interlocked.Read(ref _bytesRead), Interlocked.Read(ref _bytesWritten), Interlocked.Read(ref _flushes));

    /// <summary>The bytes themselves; of the device.</summary>
    internal NativeBuffer Contents => _contents;

    /// <inheritdoc/>
    public void Submit(BlockRequest request)
    {
        DeviceRange.Check(request, SizeBytes, AlignmentBytes);
        byte* place = (byte*)_contents.Address + request.OffsetBytes;
        if (request.IsCancelled)
        {
            request.Complete(new OperationCanceledException());
        }
        else if (request.Operation == BlockOperation.Read)
        {
            Buffer.MemoryCopy(place, request.Address, request.SizeBytes, request.SizeBytes);
            Interlocked.Add(ref _bytesRead, request.SizeBytes);
            request.Complete(null);
        }
        else
        {
            Buffer.MemoryCopy(request.Address, place, request.SizeBytes, request.SizeBytes);
            Interlocked.Add(ref _bytesWritten, request.SizeBytes);
            request.Complete(null);
        }
    }

    /// <inheritdoc/>
    public void Flush() => Interlocked.Increment(ref _flushes);

    /// <inheritdoc/>
    public void Dispose() => _contents.Dispose();
}
