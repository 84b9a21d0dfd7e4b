using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>
/// RMSNorm and LayerNorm of rows on the CPU, fused: each row is read from memory once, everything in fp32. The reference is
/// <see cref="Compute.NormReference"/>. Matrices are row-major and contiguous.
/// </summary>
internal static unsafe class NormKernel
{
    /// <summary>Blocks of the backward, each with column sums of its own: more than any machine needs, and bounded however many rows there are.</summary>
    private const int MaxColumnSums = 256;

    /// <param name="x">[rows, width].</param>
    /// <param name="y">[rows, width]: receives the result.</param>
    /// <param name="weight">[width].</param>
    /// <param name="bias">[width]: LayerNorm; null: RMSNorm.</param>
    /// <param name="numRows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="epsilon">Added to the variance or mean square.</param>
    public static void Forward<TElements>(void* x, void* y, void* weight, void* bias, int numRows, int width, double epsilon)
        where TElements : struct, IElements
    {
        RowBlocks.Run(numRows, RowBlocks.BlockRows(width), (_, first, end) =>
        {
            for (long row = first; row < end; row++)
            {
                long start = row * width;
                (float mean, float inverse) = Statistics<TElements>(x, start, width, bias != null, epsilon);
                int i = 0;
                for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count)
                {
                    Vector256<float> normal = (TElements.Load(x, start + i) - Vector256.Create(mean)) * inverse;
                    Vector256<float> value = normal * TElements.Load(weight, i);
                    TElements.Store(y, start + i, bias == null ? value : value + TElements.Load(bias, i));
                }

                for (; i < width; i++)
                {
                    float value = (TElements.LoadOne(x, start + i) - mean) * inverse * TElements.LoadOne(weight, i);
                    TElements.StoreOne(y, start + i, bias == null ? value : value + TElements.LoadOne(bias, i));
                }
            }
        });
    }

    /// <param name="x">[rows, width], as given forward.</param>
    /// <param name="weight">[width].</param>
    /// <param name="gradY">[rows, width].</param>
    /// <param name="gradX">[rows, width]: receives the gradient of x.</param>
    /// <param name="weightSum">fp32 [width]: the weight's gradient is added.</param>
    /// <param name="biasSum">fp32 [width]: LayerNorm, the bias's gradient is added; null: RMSNorm.</param>
    /// <param name="numRows">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="epsilon">As forward.</param>
    public static void Backward<TElements>(
        void* x, void* weight, void* gradY, void* gradX, float* weightSum, float* biasSum, int numRows, int width, double epsilon)
        where TElements : struct, IElements
    {
        int blockRows = Math.Max(RowBlocks.BlockRows(width), (numRows + MaxColumnSums - 1) / MaxColumnSums);
        int numBlocks = (numRows + blockRows - 1) / blockRows;
        // Column sums: each block of rows has its own, added in the order of the blocks, whatever thread ran them.
        var weightParts = new float[(long)numBlocks * width];
        var biasParts = new float[biasSum == null ? 0 : (long)numBlocks * width];
        RowBlocks.Run(numRows, blockRows, (block, first, end) =>
        {
            fixed (float* weightPart = weightParts.AsSpan(block * width, width))
            fixed (float* biasPart = biasSum == null ? default : biasParts.AsSpan(block * width, width))
            {
                for (int row = first; row < end; row++)
                {
                    BackwardRow<TElements>(x, weight, gradY, gradX, weightPart, biasPart, (long)row * width, width, epsilon);
                }
            }
        });
        for (int block = 0; block < numBlocks; block++)
        {
            for (int i = 0; i < width; i++)
            {
                weightSum[i] += weightParts[((long)block * width) + i];
                if (biasSum != null)
                {
                    biasSum[i] += biasParts[((long)block * width) + i];
                }
            }
        }
    }

    private static void BackwardRow<TElements>(
        void* x, void* weight, void* gradY, void* gradX, float* weightPart, float* biasPart, long start, int width, double epsilon)
        where TElements : struct, IElements
    {
        bool centred = biasPart != null;
        (float mean, float inverse) = Statistics<TElements>(x, start, width, centred, epsilon);
        Vector256<float> dotVector = Vector256<float>.Zero;
        Vector256<float> sumVector = Vector256<float>.Zero;
        int vectorEnd = width - (width % Vector256<float>.Count);
        for (int i = 0; i < vectorEnd; i += Vector256<float>.Count)
        {
            Vector256<float> normal = (TElements.Load(x, start + i) - Vector256.Create(mean)) * inverse;
            Vector256<float> gradient = TElements.Load(gradY, start + i);
            Vector256<float> gradNormal = gradient * TElements.Load(weight, i);
            dotVector += gradNormal * normal;
            sumVector += gradNormal;
            (Vector256.Load(weightPart + i) + (gradient * normal)).Store(weightPart + i);
            if (centred)
            {
                (Vector256.Load(biasPart + i) + gradient).Store(biasPart + i);
            }
        }

        float dot = Vector256.Sum(dotVector);
        float sum = Vector256.Sum(sumVector);
        for (int i = vectorEnd; i < width; i++)
        {
            float normal = (TElements.LoadOne(x, start + i) - mean) * inverse;
            float gradient = TElements.LoadOne(gradY, start + i);
            float gradNormal = gradient * TElements.LoadOne(weight, i);
            dot += gradNormal * normal;
            sum += gradNormal;
            weightPart[i] += gradient * normal;
            if (centred)
            {
                biasPart[i] += gradient;
            }
        }

        float dotMean = dot / width;
        float sumMean = centred ? sum / width : 0;
        for (int i = 0; i < vectorEnd; i += Vector256<float>.Count)
        {
            Vector256<float> normal = (TElements.Load(x, start + i) - Vector256.Create(mean)) * inverse;
            Vector256<float> gradNormal = TElements.Load(gradY, start + i) * TElements.Load(weight, i);
            TElements.Store(gradX, start + i, (gradNormal - (normal * dotMean) - Vector256.Create(sumMean)) * inverse);
        }

        for (int i = vectorEnd; i < width; i++)
        {
            float normal = (TElements.LoadOne(x, start + i) - mean) * inverse;
            float gradNormal = TElements.LoadOne(gradY, start + i) * TElements.LoadOne(weight, i);
            TElements.StoreOne(gradX, start + i, (gradNormal - (normal * dotMean) - sumMean) * inverse);
        }
    }

    private static (float Mean, float Inverse) Statistics<TElements>(void* x, long start, int width, bool centred, double epsilon)
        where TElements : struct, IElements
    {
        float mean = 0;
        int vectorEnd = width - (width % Vector256<float>.Count);
        if (centred)
        {
            Vector256<float> sums = Vector256<float>.Zero;
            for (int i = 0; i < vectorEnd; i += Vector256<float>.Count)
            {
                sums += TElements.Load(x, start + i);
            }

            mean = Vector256.Sum(sums);
            for (int i = vectorEnd; i < width; i++)
            {
                mean += TElements.LoadOne(x, start + i);
            }

            mean /= width;
        }

        Vector256<float> squares = Vector256<float>.Zero;
        for (int i = 0; i < vectorEnd; i += Vector256<float>.Count)
        {
            Vector256<float> value = TElements.Load(x, start + i) - Vector256.Create(mean);
            squares += value * value;
        }

        float square = Vector256.Sum(squares);
        for (int i = vectorEnd; i < width; i++)
        {
            float value = TElements.LoadOne(x, start + i) - mean;
            square += value * value;
        }

        return (mean, (float)(1 / Math.Sqrt((square / (double)width) + epsilon)));
    }
}
