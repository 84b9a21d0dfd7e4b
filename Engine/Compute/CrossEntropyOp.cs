using Offload.Engine.Interop;
using Offload.Engine.Kernels;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Softmax cross-entropy, by the device's best implementation.</summary>
internal static unsafe class CrossEntropyOp
{
    /// <inheritdoc cref="CrossEntropyReference.Apply"/>
    public static double Apply(Tensor logits, ReadOnlySpan<int> targets, float? gradScale)
    {
        if (!CpuKernels.CanRun(logits))
        {
            return CrossEntropyReference.Apply(logits, targets, gradScale);
        }

        (_, int vocabularySize) = CpuKernels.MatrixShape(logits);
        void* data = Aten.DataPointer(logits);
        return logits.dtype == ScalarType.Float32
            ? CrossEntropyKernel.Apply<Float32Elements>(data, targets, vocabularySize, gradScale)
            : CrossEntropyKernel.Apply<BFloat16Elements>(data, targets, vocabularySize, gradScale);
    }
}
