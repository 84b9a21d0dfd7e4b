using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>Rotary embedding of packed heads on the CPU, in place, in fp32. The reference is <see cref="Compute.RotaryReference"/>.</summary>
internal static unsafe class RotaryKernel
{
    /// <summary>(a, b) -> (a cos - b sin, b cos + a sin), halves of a head paired.</summary>
    /// <param name="packed">[rows, stride], contiguous; the first heads of each row are rotated.</param>
    /// <param name="numRows">Rows: sequences * tokens.</param>
    /// <param name="stride">Elements of a row.</param>
    /// <param name="numTokens">Tokens of a sequence: the position is row % tokens.</param>
    /// <param name="numHeads">Heads to rotate.</param>
    /// <param name="headSize">Width of a head; even.</param>
    /// <param name="cosines">[positions, head size / 2].</param>
    /// <param name="sines">As cosines.</param>
    /// <param name="inverse">Rotates back.</param>
    public static void Rotate<TElements>(
        void* packed, int numRows, long stride, int numTokens, int numHeads, int headSize, float[] cosines, float[] sines, bool inverse)
        where TElements : struct, IElements
    {
        int half = headSize / 2;
        float sign = inverse ? -1 : 1;
        RowBlocks.Run(numRows, RowBlocks.BlockRows((long)numHeads * headSize), (_, first, end) =>
        {
            fixed (float* allCosines = cosines)
            fixed (float* allSines = sines)
            {
                for (int row = first; row < end; row++)
                {
                    long angle = (long)(row % numTokens) * half;
                    for (int head = 0; head < numHeads; head++)
                    {
                        RotateHead<TElements>(packed, (row * stride) + ((long)head * headSize), half, allCosines + angle, allSines + angle, sign);
                    }
                }
            }
        });
    }

    private static void RotateHead<TElements>(void* packed, long start, int half, float* cosines, float* sines, float sign)
        where TElements : struct, IElements
    {
        int i = 0;
        for (; i <= half - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            Vector256<float> a = TElements.Load(packed, start + i);
            Vector256<float> b = TElements.Load(packed, start + half + i);
            Vector256<float> cosine = Vector256.Load(cosines + i);
            Vector256<float> sine = Vector256.Load(sines + i) * sign;
            TElements.Store(packed, start + i, (a * cosine) - (b * sine));
            TElements.Store(packed, start + half + i, (b * cosine) + (a * sine));
        }

        for (; i < half; i++)
        {
            float a = TElements.LoadOne(packed, start + i);
            float b = TElements.LoadOne(packed, start + half + i);
            float sine = sines[i] * sign;
            TElements.StoreOne(packed, start + i, (a * cosines[i]) - (b * sine));
            TElements.StoreOne(packed, start + half + i, (b * cosines[i]) + (a * sine));
        }
    }
}
