using Offload.Engine.Parallelism;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>
/// Rounds float32 gradient sums once to bfloat16, to nearest even (<see cref="BFloat16Convert"/>), over several threads. A call allocates
/// nothing. One call at a time; the threads are the caller's.
/// </summary>
/// <param name="threads">Who does the work; not disposed here.</param>
internal sealed unsafe class GradientRounding(ParallelRanges threads) : IRangeWork
{
    private const int BlockElements = 1 << 16;

    private float* _sums;
    private ushort* _rounded;

    /// <summary>Rounds <paramref name="count"/> gradients.</summary>
    /// <param name="sums">float32 sums. [count]</param>
    /// <param name="rounded">Takes the bfloat16 bits; must not overlap <paramref name="sums"/>. [count]</param>
    /// <param name="count">How many.</param>
    public void Round(float* sums, ushort* rounded, long count)
    {
        _sums = sums;
        _rounded = rounded;
        threads.Run(this, count, BlockElements);
    }

    /// <inheritdoc/>
    void IRangeWork.RunBlock(long blockIndex, long start, int count) =>
        BFloat16Convert.FromSingle(new ReadOnlySpan<float>(_sums + start, count), new Span<ushort>(_rounded + start, count));
}
