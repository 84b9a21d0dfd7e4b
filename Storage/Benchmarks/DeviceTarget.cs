using Offload.Storage.Devices;

namespace Offload.Storage.Benchmarks;

/// <summary>Passes over a device: the first part of it is written and read, in a mixed pass read while the next part is written.</summary>
internal sealed class DeviceTarget : IBenchmarkTarget
{
    private readonly IBlockDevice _device;
    private readonly long _passBytes;
    private readonly BlockStream _reads;
    private readonly BlockStream _writes;

    /// <param name="device">At least as long as two passes; the target's from now on.</param>
    /// <param name="passBytes">What a pass of one direction moves; aligned.</param>
    /// <param name="blockBytes">Size of requests.</param>
    /// <param name="depth">Requests in flight, of each direction.</param>
    public DeviceTarget(IBlockDevice device, long passBytes, int blockBytes, int depth)
    {
        _device = device;
        _passBytes = passBytes;
        _reads = new BlockStream(device, BlockOperation.Read, blockBytes, depth);
        _writes = new BlockStream(device, BlockOperation.Write, blockBytes, depth);
    }

    /// <summary>Writes as much as a pass does, from an offset on, and flushes. Blocks.</summary>
    public BenchmarkPass WriteAt(long offsetBytes, CancellationToken cancellation)
    {
        var meter = new PassMeter(_device);
        using (cancellation.UnsafeRegister(static meter => ((PassMeter)meter!).Stop(), meter))
        {
            _writes.Start(offsetBytes, _passBytes, meter, endsPass: false);
            _writes.Wait();
            _device.Flush();
        }

        cancellation.ThrowIfCancellationRequested();
        return meter.End();
    }

    /// <inheritdoc/>
    public BenchmarkPass Run(BenchmarkPattern pattern, CancellationToken cancellation)
    {
        if (pattern == BenchmarkPattern.Write)
        {
            return WriteAt(0, cancellation);
        }

        bool isMixed = pattern == BenchmarkPattern.Mixed;
        var meter = new PassMeter(_device);
        using (cancellation.UnsafeRegister(static meter => ((PassMeter)meter!).Stop(), meter))
        {
            _reads.Start(0, _passBytes, meter, endsPass: isMixed);
            if (isMixed)
            {
                _writes.Start(_passBytes, _passBytes, meter, endsPass: true);
            }

            WaitForBoth();
        }

        cancellation.ThrowIfCancellationRequested();
        return meter.End();
    }

    /// <summary>Waits for what is in flight and disposes the device.</summary>
    public void Dispose()
    {
        _device.Dispose();
        _reads.Dispose();
        _writes.Dispose();
    }

    private void WaitForBoth()
    {
        try
        {
            _reads.Wait();
        }
        finally
        {
            _writes.Wait();
        }
    }
}
