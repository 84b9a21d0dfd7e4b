using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Storage.Numerics;

namespace Offload.Benchmarks;

/// <summary>One kernel over arrays far beyond the caches, cut into the same blocks for all.</summary>
internal sealed unsafe class StreamWork : IRangeWork, IDisposable
{
    private const int BlockElements = 1 << 16;

    private readonly NativeArray<ushort> _high;
    private readonly NativeArray<short> _low;
    private readonly NativeArray<float> _first;
    private readonly NativeArray<float> _second;
    private readonly NativeArray<float> _gradient;
    private readonly AdamWStates _states;
    private readonly AdamWStep _step = new(new AdamWOptions(), 1e-4, 10, 0.5f);
    private readonly int _zero = Environment.ProcessId < 0 ? 1 : 0;
    private TrafficKernel _kernel;
    private long _start;
    private double _sum; // of the block last done
    private GradientPointer _gradientPointer;

    public StreamWork(long count, bool hugePages)
    {
        Count = count;
        _high = new(count, hugePages);
        _low = new(count, hugePages);
        _first = new(count, hugePages);
        _second = new(count, hugePages);
        _gradient = new(count, hugePages);
        _states = new(_high.Address, _low.Address, _first.Address, _second.Address);
        FillStates();
    }

    public long Count { get; }

    /// <summary>Sum of squares of the block last done.</summary>
    public double LastBlockSum => Volatile.Read(ref _sum);

    /// <summary>Bytes read and written for one parameter (or element of copy and triad).</summary>
    public static int BytesPerElement(TrafficKernel kernel, bool bfloat16Gradient) => kernel switch
    {
        TrafficKernel.Copy => 8,
        TrafficKernel.Triad => 12,
        TrafficKernel.GradientNorm => bfloat16Gradient ? 2 : 4,
        _ => bfloat16Gradient ? 26 : 28,
    };

    /// <summary>Ordinary training values: neither zeros nor subnormals, which may be slower or faster.</summary>
    private void FillStates()
    {
        for (long i = 0; i < Count; i++)
        {
            int noise = (int)((uint)i * 2654435761u >> 16);
            _high.Address[i] = (ushort)(0x3C00 + (noise & 0x3FF));
            _low.Address[i] = (short)noise;
            _first.Address[i] = noise * 1e-8f;
            _second.Address[i] = noise * 1e-10f;
        }
    }

    /// <summary>The same array serves both types; its bits are small gradients in either.</summary>
    public void FillGradients(bool bfloat16)
    {
        if (bfloat16)
        {
            new Span<uint>(_gradient.Address, checked((int)Count)).Fill(0x3A12_BA34);
        }
        else
        {
            new Span<float>(_gradient.Address, checked((int)Count)).Fill(5e-4f);
        }
    }

    /// <summary>Runs a kernel on <paramref name="count"/> elements from <paramref name="start"/> on.</summary>
    public void Run(ParallelRanges threads, TrafficKernel kernel, bool bfloat16Gradient, long start, long count)
    {
        _start = start;
        _kernel = kernel;
        _gradientPointer = bfloat16Gradient
            ? GradientPointer.BFloat16((ushort*)_gradient.Address)
            : GradientPointer.Float32(_gradient.Address);
        threads.Run(this, count, BlockElements);
    }

    public void RunBlock(long blockIndex, long start, int count)
    {
        start += _start;
        switch (_kernel)
        {
            case TrafficKernel.AdamW:
                AdamWKernel.Update(_step, _states.From(start), _states.From(start), _gradientPointer.From(start), count);
                break;
            case TrafficKernel.SameMix:
                StreamKernels.Mix(_states.From(start), _gradientPointer.From(start), count, _zero);
                break;
            case TrafficKernel.Copy:
                StreamKernels.Copy(_first.Address + start, _second.Address + start, count);
                break;
            case TrafficKernel.GradientNorm:
                Volatile.Write(ref _sum, SquareSum.OfBlock(_gradientPointer.From(start), count, SimdSupport.Widest));
                break;
            default:
                StreamKernels.Triad(_first.Address + start, _second.Address + start, _gradient.Address + start, count);
                break;
        }
    }

    public void Dispose()
    {
        _high.Dispose();
        _low.Dispose();
        _first.Dispose();
        _second.Dispose();
        _gradient.Dispose();
    }
}
