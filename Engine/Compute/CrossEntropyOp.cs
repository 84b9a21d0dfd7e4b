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
        CheckTargets(targets, logits.shape[0], logits.shape[1]);
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

    /// <summary>The kernel reads and writes where a target points.</summary>
    private static void CheckTargets(ReadOnlySpan<int> targets, long numRows, long vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(targets.Length, numRows, nameof(targets));
        foreach (int target in targets)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(target, vocabularySize, nameof(targets));
        }
    }
}
