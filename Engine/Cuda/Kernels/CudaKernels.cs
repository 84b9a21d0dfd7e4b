using Offload.Engine.Models;

namespace Offload.Engine.Cuda.Kernels;

/// <summary>
/// What a decoder needs on a GPU besides matrix products and attention. Calls only issue work to the stream: nothing waits, nothing is
/// allocated. Everything is fp32 inside and rounded once to the compute type, where the CPU's kernels round; sums are taken in an order that depends on the shape
/// alone, so the same inputs give the same bits. Matrices are row-major and contiguous unless a stride is given; their pointers may have
/// any alignment of their elements, but 16 bytes, and widths that are multiples of 16 bytes, are several times faster. One thread at a time, the device current on it.
/// </summary>
internal sealed unsafe partial class CudaKernels : IDisposable
{
    /// <summary>Most rows that <c>partials</c> of column sums take: so many times the width in floats, twice that for a LayerNorm. Aligned to 16 bytes.</summary>
    public const int MaxPartialRows = 256;

    /// <summary>Most doubles that <c>partials</c> of <see cref="SumOfSquares"/> take.</summary>
    public const int MaxSquarePartials = 1024;

    private const int VectorBytes = 16;
    private const int WarpThreads = 32;
    private const int BlockThreads = 256;

    private readonly CudaStream _stream;
    private readonly CudaModule _module;
    private readonly ComputeType _type;

    /// <summary>Elements of 16 bytes.</summary>
    private readonly int _lanes;

    /// <param name="device">Made current on this thread.</param>
    /// <param name="stream">Where work is issued; not disposed here.</param>
    /// <param name="type">Type of weights and activations.</param>
    /// <exception cref="CudaException">The kernels cannot be compiled or loaded.</exception>
    public CudaKernels(CudaDevice device, CudaStream stream, ComputeType type)
    {
        _stream = stream;
        _type = type;
        _lanes = VectorBytes / (type == ComputeType.BFloat16 ? sizeof(ushort) : sizeof(float));
        string name = type == ComputeType.BFloat16 ? "offload_bfloat16.cu" : "offload_float32.cu";
        _module = new CudaModule(device, KernelCompiler.Compile(KernelSource.Of(type), name, device));
        try
        {
            _norms = new NormKernels(_module);
            _heads = new HeadKernels(_module);
            _activations = [.. ActivationNames.Select(activation => new ActivationKernels(_module, activation))];
            _losses = new LossKernels(_module);
            _embeddings = new EmbeddingKernels(_module);
            _updates = new UpdateKernels(_module);
        }
        catch (CudaException)
        {
            _module.Dispose();
            throw;
        }
    }

    /// <summary>Unloads the kernels; idempotent. Not before the stream has done all that was issued.</summary>
    public void Dispose() => _module.Dispose();

    private static bool IsAligned(void* address) => ((nuint)address % VectorBytes) == 0;

    private static int RoundToWarps(long threads) => (int)((threads + WarpThreads - 1) / WarpThreads * WarpThreads);

    /// <summary>Threads of a block that goes through so many items in turns, evenly filled.</summary>
    private static int ThreadsFor(long items)
    {
        long turns = CeilingOf(items, BlockThreads);
        return turns <= 1 ? RoundToWarps(Math.Max(items, 1)) : RoundToWarps(CeilingOf(items, turns));
    }

    private static long CeilingOf(long dividend, long divisor) => (dividend + divisor - 1) / divisor;

    /// <summary>A number of columns or a stride at which rows that begin aligned stay so.</summary>
    private bool IsWhole(long columns) => columns % _lanes == 0;

    /// <summary>A block for a row whose elements go through the threads, 16 bytes or one at a time.</summary>
    private void LaunchRows(KernelVariants kernel, bool isAligned, long rows, long columns, ReadOnlySpan<nint> arguments)
    {
        if (rows > 0 && columns > 0)
        {
            kernel.For(isAligned).Launch(_stream, rows, 1, 1, ThreadsFor(isAligned ? columns / _lanes : columns), 0, arguments);
        }
    }

    /// <summary>A thread for each so many elements of an array.</summary>
    private void LaunchFlat(KernelVariants kernel, bool isAligned, long count, int perThread, ReadOnlySpan<nint> arguments)
    {
        if (count > 0)
        {
            kernel.For(isAligned).Launch(_stream, CeilingOf(count, (long)BlockThreads * (isAligned ? perThread : 1)), 1, 1, BlockThreads, 0, arguments);
        }
    }
}
