using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>MLP activation, by the device's best implementation. Returned tensors belong to the caller.</summary>
internal static class ActivationOp
{
    /// <inheritdoc cref="ActivationReference.Forward"/>
    public static Tensor Forward(Tensor up, ActivationKind kind, bool gated) => ActivationReference.Forward(up, kind, gated);

    /// <inheritdoc cref="ActivationReference.Backward"/>
    public static Tensor Backward(Tensor up, Tensor gradY, ActivationKind kind, bool gated) => ActivationReference.Backward(up, gradY, kind, gated);
}
