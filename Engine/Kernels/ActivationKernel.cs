using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Offload.Engine.Kernels;

/// <summary>MLP activations of rows on the CPU, fused with the gate's product, in fp32. The reference is <see cref="Compute.ActivationReference"/>.</summary>
internal static unsafe class ActivationKernel
{
    /// <param name="up">[rows, F], or [rows, 2F] with the gate first.</param>
    /// <param name="y">[rows, F]: receives the result.</param>
    /// <param name="numRows">Rows.</param>
    /// <param name="width">F.</param>
    /// <param name="gated">Two halves.</param>
    public static void Forward<TElements, TFunction>(void* up, void* y, int numRows, int width, bool gated)
        where TElements : struct, IElements
        where TFunction : struct, IActivationFunction
    {
        long stride = gated ? 2L * width : width;
        RowBlocks.Run(numRows, RowBlocks.BlockRows(width), (block, first, end) =>
        {
            for (long row = first; row < end; row++)
            {
                long source = row * stride;
                long destination = row * width;
                int i = 0;
                for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count)
                {
                    (Vector256<float> value, _) = TFunction.Evaluate(TElements.Load(up, source + i));
                    TElements.Store(y, destination + i, gated ? value * TElements.Load(up, source + width + i) : value);
                }

                for (; i < width; i++)
                {
                    (float value, _) = EvaluateOne<TFunction>(TElements.LoadOne(up, source + i));
                    TElements.StoreOne(y, destination + i, gated ? value * TElements.LoadOne(up, source + width + i) : value);
                }
            }
        });
    }

    /// <param name="up">As given forward.</param>
    /// <param name="gradY">[rows, F].</param>
    /// <param name="gradUp">Shaped as up: receives its gradient.</param>
    /// <param name="numRows">Rows.</param>
    /// <param name="width">F.</param>
    /// <param name="gated">Two halves.</param>
    public static void Backward<TElements, TFunction>(void* up, void* gradY, void* gradUp, int numRows, int width, bool gated)
        where TElements : struct, IElements
        where TFunction : struct, IActivationFunction
    {
        long stride = gated ? 2L * width : width;
        RowBlocks.Run(numRows, RowBlocks.BlockRows(width), (block, first, end) =>
        {
            for (long row = first; row < end; row++)
            {
                long source = row * stride;
                int i = 0;
                for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count)
                {
                    (Vector256<float> value, Vector256<float> derivative) = TFunction.Evaluate(TElements.Load(up, source + i));
                    Vector256<float> gradient = TElements.Load(gradY, (row * width) + i);
                    if (gated)
                    {
                        TElements.Store(gradUp, source + i, gradient * TElements.Load(up, source + width + i) * derivative);
                        TElements.Store(gradUp, source + width + i, gradient * value);
                    }
                    else
                    {
                        TElements.Store(gradUp, source + i, gradient * derivative);
                    }
                }

                for (; i < width; i++)
                {
                    (float value, float derivative) = EvaluateOne<TFunction>(TElements.LoadOne(up, source + i));
                    float gradient = TElements.LoadOne(gradY, (row * width) + i);
                    if (gated)
                    {
                        TElements.StoreOne(gradUp, source + i, gradient * TElements.LoadOne(up, source + width + i) * derivative);
                        TElements.StoreOne(gradUp, source + width + i, gradient * value);
                    }
                    else
                    {
                        TElements.StoreOne(gradUp, source + i, gradient * derivative);
                    }
                }
            }
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Value, float Derivative) EvaluateOne<TFunction>(float x)
        where TFunction : struct, IActivationFunction
    {
        (Vector256<float> value, Vector256<float> derivative) = TFunction.Evaluate(Vector256.Create(x));
        return (value[0], derivative[0]);
    }
}
