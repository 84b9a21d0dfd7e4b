using Offload.Engine.Interop;
using Offload.Engine.Kernels;
using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>MLP activation, by the device's best implementation. Returned tensors belong to the caller.</summary>
internal static unsafe class ActivationOp
{
    /// <inheritdoc cref="ActivationReference.Forward"/>
    public static Tensor Forward(Tensor up, ActivationKind kind, bool gated)
    {
        if (!CanRun(up, kind))
        {
            return ActivationReference.Forward(up, kind, gated);
        }

        (int rows, int columns) = CpuKernels.MatrixShape(up);
        int width = gated ? columns / 2 : columns;
        Tensor y = empty([rows, width], up.dtype, up.device);
        if (up.dtype == ScalarType.Float32)
        {
            Forward<Float32Elements>(up, y, kind, rows, width, gated);
        }
        else
        {
            Forward<BFloat16Elements>(up, y, kind, rows, width, gated);
        }

        return y;
    }

    /// <inheritdoc cref="ActivationReference.Backward"/>
    public static Tensor Backward(Tensor up, Tensor gradY, ActivationKind kind, bool gated)
    {
        if (!CanRun(up, kind) || !CpuKernels.CanRun(gradY))
        {
            return ActivationReference.Backward(up, gradY, kind, gated);
        }

        (int rows, int columns) = CpuKernels.MatrixShape(up);
        int width = gated ? columns / 2 : columns;
        Tensor gradUp = empty_like(up);
        if (up.dtype == ScalarType.Float32)
        {
            Backward<Float32Elements>(up, gradY, gradUp, kind, rows, width, gated);
        }
        else
        {
            Backward<BFloat16Elements>(up, gradY, gradUp, kind, rows, width, gated);
        }

        return gradUp;
    }

    /// <summary>GELU by the error function has no vector form in .NET and no model here that is trained at scale: the formula serves.</summary>
    private static bool CanRun(Tensor up, ActivationKind kind) => kind != ActivationKind.Gelu && CpuKernels.CanRun(up);

    private static void Forward<TElements>(Tensor up, Tensor y, ActivationKind kind, int rows, int width, bool gated)
        where TElements : struct, IElements
    {
        void* upData = Aten.DataPointer(up);
        void* data = Aten.DataPointer(y);
        switch (kind)
        {
            case ActivationKind.Silu:
                ActivationKernel.Forward<TElements, SiluFunction>(upData, data, rows, width, gated);
                break;
            case ActivationKind.GeluTanh:
                ActivationKernel.Forward<TElements, GeluTanhFunction>(upData, data, rows, width, gated);
                break;
            default:
                ActivationKernel.Forward<TElements, ReluFunction>(upData, data, rows, width, gated);
                break;
        }
    }

    private static void Backward<TElements>(Tensor up, Tensor gradY, Tensor gradUp, ActivationKind kind, int rows, int width, bool gated)
        where TElements : struct, IElements
    {
        void* upData = Aten.DataPointer(up);
        void* gradYData = Aten.DataPointer(gradY);
        void* data = Aten.DataPointer(gradUp);
        switch (kind)
        {
            case ActivationKind.Silu:
                ActivationKernel.Backward<TElements, SiluFunction>(upData, gradYData, data, rows, width, gated);
                break;
            case ActivationKind.GeluTanh:
                ActivationKernel.Backward<TElements, GeluTanhFunction>(upData, gradYData, data, rows, width, gated);
                break;
            default:
                ActivationKernel.Backward<TElements, ReluFunction>(upData, gradYData, data, rows, width, gated);
                break;
        }
    }
}
