using Offload.Engine.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Softmax cross-entropy of a chunk of tokens as a plain formula, in fp32: the reference of CrossEntropyKernel, and what other devices run.</summary>
internal static class CrossEntropyReference
{
    /// <summary>Sum of the losses of the counted tokens; turns the logits into their gradient in place if <paramref name="gradScale"/> is given.</summary>
    /// <param name="logits">[tokens, vocabulary], compute type; overwritten by d(loss)/d(logits) * gradScale.</param>
    /// <param name="targets">[tokens], on the CPU; negative: not counted.</param>
    /// <param name="gradScale">Factor of the gradient, or null for the loss alone.</param>
    public static double Apply(Tensor logits, ReadOnlySpan<int> targets, float? gradScale)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] indices = new long[targets.Length];
        for (int i = 0; i < targets.Length; i++)
        {
            indices[i] = targets[i];
        }

        Tensor target = tensor(indices, device: logits.device).view(-1, 1);
        Tensor logProbabilities = nn.functional.log_softmax(logits.to(ScalarType.Float32), 1);
        Tensor picked = logProbabilities.gather(1, target.clamp_min(Scalars.Zero)).masked_fill(target.lt(Scalars.Zero), Scalars.Zero);
        double loss = -picked.sum(ScalarType.Float64).item<double>();
        if (gradScale is float scale)
        {
            using Scalar factor = scale.ToScalar();
            Tensor gradient = logProbabilities.exp();
            gradient.scatter_add_(1, target.clamp_min(Scalars.Zero), full_like(picked, Scalars.Of(-1L)));
            logits.copy_(gradient.mul(factor).masked_fill(target.lt(Scalars.Zero), Scalars.Zero));
        }

        return loss;
    }
}
