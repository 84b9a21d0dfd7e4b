using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>RMSNorm (no bias) or LayerNorm, by the device's best implementation. Returned tensors belong to the caller.</summary>
internal static class NormOp
{
    /// <inheritdoc cref="NormReference.Forward"/>
    public static Tensor Forward(Tensor x, Tensor weight, Tensor? bias, double epsilon) => NormReference.Forward(x, weight, bias, epsilon);

    /// <inheritdoc cref="NormReference.Backward"/>
    public static Tensor Backward(Tensor x, Tensor weight, bool hasBias, double epsilon, Tensor gradY, Tensor weightSum, Tensor? biasSum) =>
        NormReference.Backward(x, weight, hasBias, epsilon, gradY, weightSum, biasSum);
}
