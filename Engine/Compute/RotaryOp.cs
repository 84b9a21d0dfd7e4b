using Offload.Engine.Interop;
using Offload.Engine.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Rotary embedding of packed heads, in place, by the device's best implementation.</summary>
internal static unsafe class RotaryOp
{
    /// <param name="packed">[rows, any number of heads * head size].</param>
    /// <param name="shape">Micro-batch; rows = sequences * tokens.</param>
    /// <param name="numHeads">Heads to rotate, the first of each row.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="tables">Angles.</param>
    /// <param name="inverse">Rotates back: the gradient.</param>
    public static void Rotate(Tensor packed, BatchShape shape, int numHeads, int headSize, RotaryTables tables, bool inverse)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shape.Tokens, tables.NumPositions, nameof(shape));
        if (!CpuKernels.CanRun(packed))
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor heads = packed.view(shape.Sequences, shape.Tokens, -1, headSize).narrow(2, 0, numHeads);
            RotaryReference.Rotate(heads, tables, inverse);
            return;
        }

        void* data = Aten.DataPointer(packed);
        long stride = packed.shape[1];
        if (packed.dtype == ScalarType.Float32)
        {
            RotaryKernel.Rotate<Float32Elements>(data, shape.Rows, stride, shape.Tokens, numHeads, headSize, tables.Cosines, tables.Sines, inverse);
        }
        else
        {
            RotaryKernel.Rotate<BFloat16Elements>(data, shape.Rows, stride, shape.Tokens, numHeads, headSize, tables.Cosines, tables.Sines, inverse);
        }
    }
}
