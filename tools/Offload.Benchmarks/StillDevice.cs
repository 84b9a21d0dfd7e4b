using Offload.Storage.Devices;

namespace Offload.Benchmarks;

/// <summary>
/// A device in memory that, once it is still, moves no bytes and completes at once: a drive's transfers take no processor, copies in memory do.
/// Who reads must have the right bytes already. The inner device is disposed with it.
/// </summary>
internal sealed class StillDevice(IBlockDevice inner) : IBlockDevice
{
    public volatile bool IsStill;

    public string Path => inner.Path;

    public long SizeBytes => inner.SizeBytes;

    public int AlignmentBytes => inner.AlignmentBytes;

    public DeviceTraffic Traffic => inner.Traffic;

    public void Submit(BlockRequest request)
    {
        if (IsStill)
        {
            request.Complete(null);
        }
        else
        {
            inner.Submit(request);
        }
    }

    public void Flush() => inner.Flush();

    public void Dispose() => inner.Dispose();
}
