using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Offload.Storage;
using Offload.Storage.Numerics;

namespace Offload.Engine.Optimizers;

/// <summary>
/// Sum of squares of one block: accumulator j of 32 takes the elements whose index is j modulo 32, in ascending order; then
/// halves are added to halves (j and j + 16, j and j + 8, ... j and j + 1). 32 and not 8, which one 512-bit register would hold: with one
/// register each addition waits for the one before.
/// </summary>
internal static unsafe class SquareSum
{
    private const int NumAccumulators = 32;

    public static double OfBlock(GradientPointer gradient, int count, SimdWidth width) =>
        gradient.ElementType == ElementType.BF16
            ? OfBlock<BFloat16Gradient>(gradient.Address, count, width)
            : OfBlock<Float32Gradient>(gradient.Address, count, width);

    private static double OfBlock<TGradient>(void* gradients, int count, SimdWidth width)
        where TGradient : struct, IGradientElement
    {
        double* sums = stackalloc double[NumAccumulators];
        int index = width switch
        {
            SimdWidth.Vector512 => Sum512<TGradient>(gradients, count, sums),
            SimdWidth.Vector256 => Sum256<TGradient>(gradients, count, sums),
            _ => 0,
        };
        for (; index < count; index++)
        {
            double value = TGradient.Load(gradients, index);
            sums[index % NumAccumulators] += value * value; // the square is exact: fused or not is the same
        }

        for (int half = NumAccumulators / 2; half > 0; half /= 2)
        {
            for (int j = 0; j < half; j++)
            {
                sums[j] += sums[j + half];
            }
        }

        return sums[0];
    }

    private static int Sum512<TGradient>(void* gradients, int count, double* sums)
        where TGradient : struct, IGradientElement
    {
        Vector512<double> sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        int index = 0;
        for (; index <= count - NumAccumulators; index += NumAccumulators)
        {
            (Vector512<float> lower, Vector512<float> upper) = TGradient.Load512(gradients, index);
            sum0 = AddSquare(sum0, Vector512.WidenLower(lower));
            sum1 = AddSquare(sum1, Vector512.WidenUpper(lower));
            sum2 = AddSquare(sum2, Vector512.WidenLower(upper));
            sum3 = AddSquare(sum3, Vector512.WidenUpper(upper));
        }

        sum0.Store(sums);
        sum1.Store(sums + 8);
        sum2.Store(sums + 16);
        sum3.Store(sums + 24);
        return index;
    }

    private static int Sum256<TGradient>(void* gradients, int count, double* sums)
        where TGradient : struct, IGradientElement
    {
        Vector256<double> sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        Vector256<double> sum4 = default, sum5 = default, sum6 = default, sum7 = default;
        int index = 0;
        for (; index <= count - NumAccumulators; index += NumAccumulators)
        {
            (Vector256<float> first, Vector256<float> second) = TGradient.Load256(gradients, index);
            (Vector256<float> third, Vector256<float> fourth) = TGradient.Load256(gradients, index + 16);
            sum0 = AddSquare(sum0, Vector256.WidenLower(first));
            sum1 = AddSquare(sum1, Vector256.WidenUpper(first));
            sum2 = AddSquare(sum2, Vector256.WidenLower(second));
            sum3 = AddSquare(sum3, Vector256.WidenUpper(second));
            sum4 = AddSquare(sum4, Vector256.WidenLower(third));
            sum5 = AddSquare(sum5, Vector256.WidenUpper(third));
            sum6 = AddSquare(sum6, Vector256.WidenLower(fourth));
            sum7 = AddSquare(sum7, Vector256.WidenUpper(fourth));
        }

        sum0.Store(sums);
        sum1.Store(sums + 4);
        sum2.Store(sums + 8);
        sum3.Store(sums + 12);
        sum4.Store(sums + 16);
        sum5.Store(sums + 20);
        sum6.Store(sums + 24);
        sum7.Store(sums + 28);
        return index;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> AddSquare(Vector512<double> sum, Vector512<double> value) => Vector512.FusedMultiplyAdd(value, value, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> AddSquare(Vector256<double> sum, Vector256<double> value) => Vector256.FusedMultiplyAdd(value, value, sum);
}
