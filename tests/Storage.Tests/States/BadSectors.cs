using Offload.Storage.Devices;

namespace Offload.Storage.Tests.States;

/// <summary>A device of which some ranges cannot be read until they are written again, as those of a drive. Borrows the device under it.</summary>
internal sealed class BadSectors(IBlockDevice inner) : IBlockDevice
{
    private readonly List<(long OffsetBytes, long SizeBytes)> _bad = [];

    public string Path => inner.Path;

    public long SizeBytes => inner.SizeBytes;

    public int AlignmentBytes => inner.AlignmentBytes;

    public DeviceTraffic Traffic => inner.Traffic;

    /// <summary>Makes a range unreadable.</summary>
    public BadSectors At(long offsetBytes, long sizeBytes = 512)
    {
        _bad.Add((offsetBytes, sizeBytes));
        return this;
    }

    public void Submit(BlockRequest request)
    {
        bool Touches((long OffsetBytes, long SizeBytes) range) =>
            range.OffsetBytes < request.OffsetBytes + request.SizeBytes && request.OffsetBytes < range.OffsetBytes + range.SizeBytes;
        if (request.Operation == BlockOperation.Write)
        {
            _bad.RemoveAll(Touches);
        }

        if (_bad.Exists(Touches))
        {
            request.Complete(new StorageException(Path, $"read {request.SizeBytes} bytes at offset {request.OffsetBytes}", "EIO (5): Input/output error"));
            return;
        }

        inner.Submit(request);
    }

    public void Flush() => inner.Flush();

    public void Dispose()
    {
    }
}
