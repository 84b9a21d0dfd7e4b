using Offload.Engine.Compute;
using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>A GPU: compute on libtorch's stream, each direction of copies on one of its own. Owns streams, marks and workspace.</summary>
internal sealed unsafe class CudaSwapDevice : ISwapDevice
{
    private readonly CudaHost _host;
    private readonly CudaStream _compute;
    private readonly CudaStream? _toGpu;
    private readonly CudaStream? _fromGpu;
    private readonly CudaStream? _now;
    private readonly int _maxAhead;
    private readonly List<CudaLanes> _lanes = [];
    private readonly List<IDisposable> _workspace = [];

    /// <param name="host">The GPU; borrowed.</param>
    /// <param name="maxAhead">Operations that a lane is ahead of the GPU at most.</param>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaSwapDevice(CudaHost host, int maxAhead)
    {
        _host = host;
        host.Device.MakeCurrent();
        _compute = CudaStream.Default(host.Device);
        _maxAhead = maxAhead;
        try
        {
            _toGpu = new CudaStream(host.Device);
            _fromGpu = new CudaStream(host.Device);
            _now = new CudaStream(host.Device);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IDeviceLanes? CreateLanes()
    {
        var lanes = new CudaLanes(_host.Device, _compute, _toGpu!, _fromGpu!, _maxAhead, TimeProvider.System);
        _lanes.Add(lanes);
        return lanes;
    }

    /// <inheritdoc/>
    public bool IsSeparate => true;

    /// <inheritdoc/>
    public long OverheadBytes => _host.OverheadBytes;

    /// <inheritdoc/>
    public long? SamplePeakBytes()
    {
        _host.Sample();
        return _host.PeakBytes;
    }

    /// <inheritdoc/>
    public void PrepareThread() => _host.Device.MakeCurrent();

    /// <inheritdoc/>
    public IGpuMemory Allocate(long sizeBytes, MemoryLimit limit)
    {
        _host.Device.MakeCurrent();
        if (sizeBytes == 0)
        {
            return new Memory(null);
        }

        var memory = new DeviceMemory(_host.Device, sizeBytes, "GPU slots", limit);
        _now!.Clear(memory.Address, sizeBytes);
        _now.Synchronize();
        return new Memory(memory);
    }

    /// <inheritdoc/>
    public IDisposable? Pin(byte* address, long sizeBytes)
    {
        _host.Device.MakeCurrent();
        return new PinnedMemory(_host.Device, address, sizeBytes);
    }

    /// <inheritdoc/>
    public IUnitCompute CreateCompute(ModelLayout layout, RunNumerics numerics, MemoryLimit limit)
    {
        _host.Device.MakeCurrent();
        var shape = new BatchShape(numerics.MicroBatchSequences, numerics.SequenceTokens);
        _workspace.Add(limit.Reserve(CudaUnitCompute.AttentionBytes(layout, numerics.Type, shape, isDeterministic: numerics.IsDeterministic), "attention"));
        var arena = new DeviceMemory(_host.Device, CudaUnitCompute.ArenaBytes(layout, numerics.Type, shape, numerics.HeadChunkTokens), "workspace of compute", limit);
        _workspace.Add(arena);
        return new CudaUnitCompute(_host.Device, layout, numerics, arena.Address);
    }

    /// <inheritdoc/>
    public void Copy(Lane lane, byte* source, byte* destination, long sizeBytes, CancellationToken cancellation) =>
        (lane == Lane.H2D ? _toGpu : _fromGpu)!.Copy(destination, source, sizeBytes);

    /// <inheritdoc/>
    public void Finish() => _host.Device.Synchronize();

    /// <inheritdoc/>
    public void CopyNow(byte* source, byte* destination, long sizeBytes)
    {
        _host.Device.MakeCurrent();
        _now!.Copy(destination, source, sizeBytes);
        _now.Synchronize();
    }

    public void Dispose()
    {
        _workspace.ForEach(part => part.Dispose());
        _workspace.Clear();
        _lanes.ForEach(lanes => lanes.Dispose());
        _now?.Dispose();
        _toGpu?.Dispose();
        _fromGpu?.Dispose();
        _compute.Dispose();
    }

    private sealed class Memory(DeviceMemory? memory) : IGpuMemory
    {
        public byte* Address => memory is null ? null : memory.Address;

        public void Dispose() => memory?.Dispose();
    }
}
