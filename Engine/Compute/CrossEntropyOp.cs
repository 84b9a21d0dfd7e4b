using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Softmax cross-entropy, by the device's best implementation.</summary>
internal static class CrossEntropyOp
{
    /// <inheritdoc cref="CrossEntropyReference.Apply"/>
    public static double Apply(Tensor logits, ReadOnlySpan<int> targets, float? gradScale) => CrossEntropyReference.Apply(logits, targets, gradScale);
}
