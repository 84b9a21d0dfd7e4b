using Offload.Storage.Devices;

namespace Offload.Tests.Infrastructure.States;

/// <summary>A device that outlives the stores opened on it, as a disk does.</summary>
public sealed class KeptDevice(IBlockDevice inner) : IBlockDevice
{
    public IBlockDevice Inner => inner;

    public string Path => inner.Path;

    public long SizeBytes => inner.SizeBytes;

    public int AlignmentBytes => inner.AlignmentBytes;

    public DeviceTraffic Traffic => inner.Traffic;

    public void Submit(BlockRequest request) => inner.Submit(request);

    public void Flush() => inner.Flush();

    public void Dispose()
    {
    }
}
