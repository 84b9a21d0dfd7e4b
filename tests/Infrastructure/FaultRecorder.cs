using Offload.Storage.Devices;

namespace Offload.Tests.Infrastructure;

/// <summary>
/// Over a <see cref="FaultInjectingDevice"/>: remembers which operation its plan hit. Submissions go through one at a time, so that a fault that is counted
/// during one is that one's.
/// </summary>
/// <param name="inner">The device of the file; owned from now on.</param>
/// <param name="plan">What goes wrong.</param>
public sealed unsafe class FaultRecorder(IBlockDevice inner, FaultPlan plan) : IBlockDevice
{
    private readonly FaultInjectingDevice _device = new(inner, plan);
    private readonly object _gate = new();

    /// <inheritdoc/>
    public string Path => _device.Path;

    /// <inheritdoc/>
    public long SizeBytes => _device.SizeBytes;

    /// <inheritdoc/>
    public int AlignmentBytes => _device.AlignmentBytes;

    /// <inheritdoc/>
    public DeviceTraffic Traffic => _device.Traffic;

    /// <summary>What the plan hit; null: nothing, so far.</summary>
    public FaultHit? Hit { get; private set; }

    /// <summary>Operations of a kind so far.</summary>
    public long Count(FaultTarget target) => target switch
    {
        FaultTarget.Read => _device.NumReads,
        FaultTarget.Write => _device.NumWrites,
        FaultTarget.Flush => _device.NumFlushes,
        _ => _device.NumOperations,
    };

    /// <inheritdoc/>
    public void Submit(BlockRequest request)
    {
        // By then the request may be complete, and another one.
        var hit = new FaultHit(_device.Path, request.Operation == BlockOperation.Read ? FaultTarget.Read : FaultTarget.Write, request.OffsetBytes, request.SizeBytes);
        lock (_gate)
        {
            long before = _device.NumFaults;
            _device.Submit(request);
            Hit ??= _device.NumFaults > before ? hit : null;
        }
    }

    /// <inheritdoc/>
    public IDisposable? TryRegister(void* address, long sizeBytes) => _device.TryRegister(address, sizeBytes);

    /// <inheritdoc/>
    public void Flush()
    {
        lock (_gate)
        {
            long before = _device.NumFaults;
            try
            {
                _device.Flush();
            }
            finally
            {
                Hit ??= _device.NumFaults > before ? new FaultHit(_device.Path, FaultTarget.Flush, 0, 0) : null;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _device.Dispose();
}
