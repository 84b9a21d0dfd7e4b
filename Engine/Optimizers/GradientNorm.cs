using Offload.Engine.Parallelism;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>
/// Sum of the squares of the rounded gradients in float64, in a fixed order (docs/numerics.md), so that neither the width of the vectors
/// nor the number of threads shows in its bits. A sum that is not finite means that a gradient is NaN or infinite, and nothing else:
/// squares of finite float32 numbers are exact in float64 and no unit has 10^231 of them. A call allocates nothing in the
/// steady state. One call at a time; the threads are the caller's.
/// </summary>
/// <param name="threads">Who does the work; not disposed here.</param>
internal sealed class GradientNorm(ParallelRanges threads) : IRangeWork
{
    /// <summary>Gradients in a block, a part of the definition of the sum. A unit given in pieces must be cut at multiples of it.</summary>
    public const int BlockElements = 1 << 16;

    private double[] _blockSums = [];
    private GradientPointer _gradient;

    /// <summary>Adds the squares of <paramref name="count"/> gradients to <paramref name="initial"/>, block by block in ascending order.</summary>
    /// <param name="gradient">The rounded gradients.</param>
    /// <param name="count">How many.</param>
    /// <param name="initial">The sum of the pieces before this one; 0 for the first.</param>
    public double SumOfSquares(GradientPointer gradient, long count, double initial = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        long numBlocks = (count / BlockElements) + (count % BlockElements == 0 ? 0 : 1);
        if (_blockSums.Length < numBlocks)
        {
            _blockSums = new double[numBlocks];
        }

        _gradient = gradient;
        threads.Run(this, count, BlockElements);
        double sum = initial;
        for (long block = 0; block < numBlocks; block++)
        {
            sum += _blockSums[block];
        }

        return sum;
    }

    /// <summary>
    /// What gradients are multiplied by so that their global norm is at most <paramref name="maxNorm"/>, as PyTorch's
    /// clip_grad_norm_ has it: min(1, maxNorm / (norm + 1e-6)), in float64, rounded once.
    /// </summary>
    /// <param name="norm">Global norm: the root of the sum over all units. Finite: a step whose norm is not is skipped.</param>
    /// <param name="maxNorm">0: clipping is off.</param>
    /// <exception cref="ArgumentOutOfRangeException">The norm is not a finite number of 0 or more, or <paramref name="maxNorm"/> is negative or NaN.</exception>
    public static float ClipScale(double norm, double maxNorm)
    {
        if (!(norm >= 0 && double.IsFinite(norm)))
        {
            throw new ArgumentOutOfRangeException(nameof(norm), norm, "a finite norm is needed; a step without one must be skipped");
        }

        if (!(maxNorm >= 0))
        {
            throw new ArgumentOutOfRangeException(nameof(maxNorm), maxNorm, "expected a number of 0 or more");
        }

        return maxNorm == 0 ? 1f : (float)Math.Min(1.0, maxNorm / (norm + 1e-6));
    }

    /// <inheritdoc/>
    void IRangeWork.RunBlock(long blockIndex, long start, int count) =>
        _blockSums[blockIndex] = SquareSum.OfBlock(_gradient.From(start), count, SimdSupport.Widest);
}
