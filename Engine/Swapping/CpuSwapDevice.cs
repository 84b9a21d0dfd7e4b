using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>A GPU tier in CPU memory, computed on by the CPU: all of the schedule's logic, on a machine without a GPU.</summary>
/// <param name="computeThreads">Threads of the optimizer's part on that tier.</param>
/// <param name="h2dBytesPerSecond">Rate to which copies are slowed down; null: none.</param>
/// <param name="d2hBytesPerSecond">The other way.</param>
internal sealed unsafe class CpuSwapDevice(int computeThreads, double? h2dBytesPerSecond = null, double? d2hBytesPerSecond = null) : ISwapDevice
{
    private readonly ParallelRanges _threads = new(computeThreads);
    private readonly Link _toGpu = new(h2dBytesPerSecond);
    private readonly Link _fromGpu = new(d2hBytesPerSecond);

    /// <inheritdoc/>
    public IDeviceLanes? CreateLanes() => null;

    /// <inheritdoc/>
    public bool IsSeparate => false;

    /// <inheritdoc/>
    public long OverheadBytes => 0;

    /// <inheritdoc/>
    public long? SamplePeakBytes() => null;

    /// <inheritdoc/>
    public void PrepareThread() => ComputeThreads.Set(computeThreads);

    /// <inheritdoc/>
    public IGpuMemory Allocate(long sizeBytes, MemoryLimit limit) => new Memory(new MemoryRegion(sizeBytes, "GPU slots", limit));

    /// <inheritdoc/>
    public IDisposable? Pin(byte* address, long sizeBytes) => null;

    /// <inheritdoc/>
    public IUnitCompute CreateCompute(ModelLayout layout, RunNumerics numerics, MemoryLimit limit)
    {
        // What libtorch allocates meanwhile, on the same tier.
        var shape = new BatchShape(numerics.MicroBatchSequences, numerics.SequenceTokens);
        MemoryReservation workspace = limit.Reserve(ComputeWorkspace.Bytes(layout, numerics.Type, shape, numerics.HeadChunkTokens), "workspace of compute");
        try
        {
            return new UnitCompute(layout, numerics, _threads, workspace);
        }
        catch
        {
            workspace.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Copy(Lane lane, byte* source, byte* destination, long sizeBytes, CancellationToken cancellation) =>
        (lane == Lane.H2D ? _toGpu : _fromGpu).Copy(source, destination, sizeBytes, cancellation);

    /// <inheritdoc/>
    public void CopyNow(byte* source, byte* destination, long sizeBytes) => Buffer.MemoryCopy(source, destination, sizeBytes, sizeBytes);

    /// <inheritdoc/>
    public void Finish()
    {
    }

    public void Dispose() => _threads.Dispose();

    private sealed class Memory(MemoryRegion region) : IGpuMemory
    {
        public byte* Address => region.Address;

        public void Dispose() => region.Dispose();
    }
}
