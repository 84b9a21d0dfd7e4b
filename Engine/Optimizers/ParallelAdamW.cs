using Offload.Engine.Parallelism;
using Offload.Storage;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>
/// <see cref="AdamWKernel"/> over several threads. A call allocates nothing; the result does not depend on the number of threads.
/// One call at a time; the threads are the caller's.
/// </summary>
/// <param name="threads">Who does the work; not disposed here.</param>
internal sealed unsafe class ParallelAdamW(ParallelRanges threads) : IRangeWork
{
    /// <summary>
    /// Parameters in a block: 0.4 MB of traffic, some 30 us, so that claiming a block is nothing and the last one is not waited for long: a tile has
    /// 128 of them, and with 32 each thread of 16 had two, of which one was late.
    /// A multiple of the widest vector, so that only the last block has a remainder.
    /// </summary>
    private const int BlockElements = 1 << 14;

    private AdamWStep _step;
    private AdamWStates _source;
    private AdamWStates _destination;
    private GradientPointer _gradient;
    private byte* _weights;

    /// <inheritdoc cref="AdamWKernel.Update(in AdamWStep, AdamWStates, AdamWStates, GradientPointer, long)"/>
    public void Update(in AdamWStep step, AdamWStates source, AdamWStates destination, GradientPointer gradient, long count) =>
        Update(step, source, destination, gradient, count, weights: null);

    /// <summary>The same, and the new weights in the compute type, which is the gradient's, while they are in the processor's caches.</summary>
    /// <param name="step">The step's constants.</param>
    /// <param name="source">Old states.</param>
    /// <param name="destination">New states.</param>
    /// <param name="gradient">Gradients.</param>
    /// <param name="count">Parameters.</param>
    /// <param name="weights">Receive them; null: they are not wanted.</param>
    public void Update(in AdamWStep step, AdamWStates source, AdamWStates destination, GradientPointer gradient, long count, byte* weights)
    {
        _step = step;
        _source = source;
        _destination = destination;
        _gradient = gradient;
        _weights = weights;
        threads.Run(this, count, BlockElements);
    }

    /// <inheritdoc/>
    void IRangeWork.RunBlock(long blockIndex, long start, int count)
    {
        AdamWStates states = _destination.From(start);
        AdamWKernel.Update(_step, _source.From(start), states, _gradient.From(start), count);
        if (_weights is null)
        {
            return;
        }

        var highs = new ReadOnlySpan<ushort>(states.WeightHigh, count);
        if (_gradient.ElementType == ElementType.BF16)
        {
            highs.CopyTo(new Span<ushort>((ushort*)_weights + start, count));
        }
        else
        {
            SplitMaster.Join(highs, new ReadOnlySpan<short>(states.WeightLow, count), new Span<float>((float*)_weights + start, count));
        }
    }
}
