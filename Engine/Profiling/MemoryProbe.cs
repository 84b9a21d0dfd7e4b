using System.Runtime.InteropServices;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Storage.Memory;

namespace Offload.Engine.Profiling;

/// <summary>Rates of CPU memory, in huge pages as a run's slots, and of the optimizer over it. Its memory is its own until disposed; one thread at a time.</summary>
internal sealed unsafe class MemoryProbe : IRangeWork, IDisposable
{
    // Two slots of arenas, one thread a lane: what a copy between tiers is where both are CPU memory.
    private const int CopyBlockBytes = 1 << 20;

    private readonly RateMeter _meter;
    private readonly ParallelRanges _threads;
    private readonly bool _isBFloat16;
    private readonly long _bytes;
    private readonly MemoryRegion _source;
    private readonly MemoryRegion _destination;

    /// <param name="meter">Times the work.</param>
    /// <param name="options">Size and type.</param>
    /// <param name="threads">Who updates.</param>
    public MemoryProbe(RateMeter meter, HardwareMeasurementOptions options, ParallelRanges threads)
    {
        _meter = meter;
        _threads = threads;
        _isBFloat16 = options.Type == Models.ComputeType.BFloat16;
        _bytes = Math.Max(CopyBlockBytes, options.WorkingSetBytes / 2 / CopyBlockBytes * CopyBlockBytes);
        _source = new MemoryRegion(_bytes, "the measurement");
        _destination = new MemoryRegion(_bytes, "the measurement");

        // Pages of zeros are one and the same page until written.
        NativeMemory.Fill(_source.Address, (nuint)_bytes, 0x3A);
        NativeMemory.Fill(_destination.Address, (nuint)_bytes, 0x3B);
    }

    /// <summary>A copy by one thread.</summary>
    /// <param name="name">Of the profile's number.</param>
    /// <param name="isBack">From the second arena to the first.</param>
    public MeasuredRate Copy(string name, bool isBack)
    {
        byte* from = (isBack ? _destination : _source).Address;
        byte* to = (isBack ? _source : _destination).Address;
        long half = _bytes / 2;
        return _meter.Measure(name, "GB/s", half / 1e9, $"memcpy by one thread, {half >> 20} MiB", () => Buffer.MemoryCopy(from, to, half, half));
    }

    /// <summary>The same in both directions at once; the rate is each direction's.</summary>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate CopyBothWays(string name)
    {
        long half = _bytes / 2;
        byte* first = _source.Address;
        byte* second = _destination.Address;
        using var start = new SemaphoreSlim(0);
        using var done = new SemaphoreSlim(0);
        bool isOver = false;
        var other = new Thread(() =>
        {
            while (true)
            {
                start.Wait();
                if (Volatile.Read(ref isOver))
                {
                    return;
                }

                Buffer.MemoryCopy(second + half, first + half, half, half);
                done.Release();
            }
        })
        { IsBackground = true, Name = "offload-measure-copy" };
        other.Start();
        try
        {
            return _meter.Measure(name, "GB/s", half / 1e9, $"memcpy by two threads, {half >> 20} MiB each way at once", () =>
            {
                start.Release();
                Buffer.MemoryCopy(first, second, half, half);
                done.Wait();
            });
        }
        finally
        {
            Volatile.Write(ref isOver, true);
            start.Release();
            other.Join();
        }
    }

    /// <summary>A copy by all threads: bytes read and written, together.</summary>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate Bandwidth(string name) => _meter.Measure(
        name, "GB/s", 2 * _bytes / 1e9, $"memcpy by {Threads}, {_bytes >> 20} MiB", () => _threads.Run(this, _bytes, CopyBlockBytes));

    /// <summary>AdamW by all threads, as steps do it.</summary>
    /// <param name="name">Of the profile's number.</param>
    public MeasuredRate Update(string name)
    {
        // The states' arrays in the one buffer, 12 bytes a parameter; gradients in the other.
        const int Alignment = 1 << 12;
        long count = Math.Max(Alignment, _bytes / AdamWParts.BytesPerParameter / Alignment * Alignment);
        using var states = new MemoryRegion(count * AdamWParts.BytesPerParameter, "the measurement");
        byte* address = states.Address;
        var arrays = new AdamWStates((ushort*)address, (short*)(address + (2 * count)), (float*)(address + (4 * count)), (float*)(address + (8 * count)));
        Fill(arrays, count);
        GradientPointer gradients = _isBFloat16 ? GradientPointer.BFloat16((ushort*)_source.Address) : GradientPointer.Float32((float*)_source.Address);
        var adamW = new ParallelAdamW(_threads);
        var step = new AdamWStep(new AdamWOptions(), learningRate: 1e-4, step: 10, gradientScale: 0.5f);
        return _meter.Measure(
            name, "G parameters/s", count / 1e9, $"AdamW by {Threads}, {count >> 20} Mi parameters, {(_isBFloat16 ? "bfloat16" : "float32")} gradients", () => adamW.Update(step, arrays, arrays, gradients, count));
    }

    private string Threads => _threads.NumThreads == 1 ? "one thread" : $"{_threads.NumThreads} threads";

    /// <inheritdoc/>
    void IRangeWork.RunBlock(long blockIndex, long start, int count) =>
        Buffer.MemoryCopy(_source.Address + start, _destination.Address + start, count, count);

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        _source.Dispose();
        _destination.Dispose();
    }

    // Ordinary training values: neither zeros nor subnormals.
    private static void Fill(AdamWStates states, long count)
    {
        for (long i = 0; i < count; i++)
        {
            int noise = (int)((uint)i * 2654435761u >> 16);
            states.WeightHigh[i] = (ushort)(0x3C00 + (noise & 0x3FF));
            states.WeightLow[i] = (short)noise;
            states.FirstMoment[i] = noise * 1e-8f;
            states.SecondMoment[i] = noise * 1e-10f;
        }
    }
}
