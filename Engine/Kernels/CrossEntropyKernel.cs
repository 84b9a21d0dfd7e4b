using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>Softmax cross-entropy of rows on the CPU, in fp32, the gradient in place. The reference is <see cref="Compute.CrossEntropyReference"/>.</summary>
internal static unsafe class CrossEntropyKernel
{
    /// <param name="logits">[rows, vocabulary], contiguous; overwritten by the gradient if <paramref name="gradScale"/> is given.</param>
    /// <param name="targets">[rows]; negative: not counted.</param>
    /// <param name="vocabularySize">Columns.</param>
    /// <param name="gradScale">Factor of the gradient, or null for the loss alone.</param>
    /// <returns>Sum of the counted rows' losses, added in the order of the rows.</returns>
    public static double Apply<TElements>(void* logits, ReadOnlySpan<int> targets, int vocabularySize, float? gradScale)
        where TElements : struct, IElements
    {
        int[] rowTargets = targets.ToArray();
        var losses = new double[rowTargets.Length];
        RowBlocks.Run(rowTargets.Length, RowBlocks.BlockRows(vocabularySize), (_, first, end) =>
        {
            for (int row = first; row < end; row++)
            {
                losses[row] = Row<TElements>(logits, (long)row * vocabularySize, vocabularySize, rowTargets[row], gradScale);
            }
        });
        double sum = 0;
        foreach (double loss in losses)
        {
            sum += loss;
        }

        return sum;
    }

    private static double Row<TElements>(void* logits, long start, int width, int target, float? gradScale)
        where TElements : struct, IElements
    {
        if (target < 0)
        {
            for (int i = 0; gradScale is not null && i < width; i++)
            {
                TElements.StoreOne(logits, start + i, 0);
            }

            return 0;
        }

        int vectorEnd = width - (width % Vector256<float>.Count);
        float max = Max<TElements>(logits, start, width, vectorEnd);
        float sum = SumOfExponentials<TElements>(logits, start, width, vectorEnd, max);
        // Distances to the maximum are exact or nearly so, however large the logits; a log-sum-exp rounded to fp32 is not.
        float picked = TElements.LoadOne(logits, start + target) - max;
        double loss = Math.Log(sum) - picked;
        if (gradScale is float scale)
        {
            float factor = scale / sum;
            for (int i = 0; i < vectorEnd; i += Vector256<float>.Count)
            {
                Vector256<float> exponential = Vector256.Exp(TElements.Load(logits, start + i) - Vector256.Create(max));
                TElements.Store(logits, start + i, exponential * factor);
            }

            for (int i = vectorEnd; i < width; i++)
            {
                TElements.StoreOne(logits, start + i, MathF.Exp(TElements.LoadOne(logits, start + i) - max) * factor);
            }

            TElements.StoreOne(logits, start + target, (float)((Math.Exp(picked) / sum) - 1) * scale);
        }

        return loss;
    }

    private static float Max<TElements>(void* logits, long start, int width, int vectorEnd)
        where TElements : struct, IElements
    {
        Vector256<float> maxima = Vector256.Create(float.NegativeInfinity);
        for (int i = 0; i < vectorEnd; i += Vector256<float>.Count)
        {
            maxima = Vector256.Max(maxima, TElements.Load(logits, start + i));
        }

        float max = float.NegativeInfinity;
        for (int i = 0; i < Vector256<float>.Count; i++)
        {
            max = MathF.Max(max, maxima[i]);
        }

        for (int i = vectorEnd; i < width; i++)
        {
            max = MathF.Max(max, TElements.LoadOne(logits, start + i));
        }

        return max;
    }

    private static float SumOfExponentials<TElements>(void* logits, long start, int width, int vectorEnd, float max)
        where TElements : struct, IElements
    {
        Vector256<float> sums = Vector256<float>.Zero;
        for (int i = 0; i < vectorEnd; i += Vector256<float>.Count)
        {
            sums += Vector256.Exp(TElements.Load(logits, start + i) - Vector256.Create(max));
        }

        float sum = Vector256.Sum(sums);
        for (int i = vectorEnd; i < width; i++)
        {
            sum += MathF.Exp(TElements.LoadOne(logits, start + i) - max);
        }

        return sum;
    }
}
