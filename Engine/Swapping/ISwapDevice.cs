using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Swap.Execution;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>The GPU tier of a swapped model: its memory, what computes there, and the links to it. Owned by the model that it is made for.</summary>
internal unsafe interface ISwapDevice : IDisposable
{
    /// <summary>For one more executor: lanes that only queue their work, the device's own; null: each operation is done when its call returns.</summary>
    IDeviceLanes? CreateLanes();

    /// <summary>Whether the device reads batches and writes numbers in CPU memory by itself, and adds up all gradient norms.</summary>
    bool IsSeparate { get; }

    /// <summary>What is taken of its memory beside what is asked for.</summary>
    long OverheadBytes { get; }

    /// <summary>Looks how much of its memory is taken now, as its driver counts.</summary>
    /// <returns>The most bytes that were seen so far; null: what is asked for is all there is to count.</returns>
    long? SamplePeakBytes();

    /// <summary>Called once by each thread, before it uses anything of the device.</summary>
    void PrepareThread();

    /// <summary>Memory of the GPU tier, zeroed.</summary>
    /// <param name="sizeBytes">A multiple of 4 KiB; zero is allowed.</param>
    /// <param name="limit">What it is reserved from.</param>
    /// <exception cref="MemoryLimitException">The limit, or the device, has no such room.</exception>
    IGpuMemory Allocate(long sizeBytes, MemoryLimit limit);

    /// <summary>Lets the device reach CPU memory by itself, at the full rate of its links.</summary>
    /// <param name="address">First byte; mapped until the result is disposed.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <returns>Ends it; null: there is nothing to do.</returns>
    IDisposable? Pin(byte* address, long sizeBytes);

    /// <summary>What computes there.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="limit">What its workspace is reserved from.</param>
    IUnitCompute CreateCompute(ModelLayout layout, RunNumerics numerics, MemoryLimit limit);

    /// <summary>A copy of the lane <see cref="Lane.H2D"/> or <see cref="Lane.D2H"/>, on its thread.</summary>
    /// <param name="lane">Which way.</param>
    /// <param name="source">First byte, in pinned memory or the GPU's.</param>
    /// <param name="destination">First byte, likewise.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <param name="cancellation">Ends a wait.</param>
    void Copy(Lane lane, byte* source, byte* destination, long sizeBytes, CancellationToken cancellation);

    /// <summary>Waits until all that was asked of it outside of lanes is done.</summary>
    void Finish();

    /// <summary>A copy between the tiers while no lane is at work; done when it returns. Any CPU memory.</summary>
    void CopyNow(byte* source, byte* destination, long sizeBytes);
}
