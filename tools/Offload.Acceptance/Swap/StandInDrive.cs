using Offload.Engine.Swapping;
using Offload.Storage.Devices;

namespace Offload.Acceptance.Swap;

/// <summary>
/// A drive that is memory, at a drive's rates, so that no real drive's moods are in the results; its flush takes as long as the cost model has it.
/// </summary>
internal sealed class StandInDrive : IBlockDevice
{
    private static readonly TimeSpan FlushTime = TimeSpan.FromSeconds(ThrottledRun.Costs.CommitSeconds / 2);

    private readonly ThrottledDevice _device;

    /// <param name="sizeBytes">Size.</param>
    /// <param name="rates">Of reading and writing.</param>
    public StandInDrive(long sizeBytes, ThrottleOptions rates) => _device = new ThrottledDevice(new MemoryDevice(sizeBytes), rates);

    public string Path => _device.Path;

    public long SizeBytes => _device.SizeBytes;

    public int AlignmentBytes => _device.AlignmentBytes;

    public DeviceTraffic Traffic => _device.Traffic;

    public void Submit(BlockRequest request) => _device.Submit(request);

    public unsafe IDisposable? TryRegister(void* address, long sizeBytes) => _device.TryRegister(address, sizeBytes);

    /// <summary>A commit has two.</summary>
    public void Flush()
    {
        PreciseWait.For(FlushTime, CancellationToken.None);
        _device.Flush();
    }

    public void Dispose() => _device.Dispose();
}
