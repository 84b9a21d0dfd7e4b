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
        Tensor counted = target.ge(0).to(ScalarType.Float32);
        Tensor logits32 = logits.to(ScalarType.Float32);
        Tensor logSum = logits32.logsumexp(1, keepdim: true);
        Tensor picked = logits32.gather(1, target.clamp_min(0));
        double loss = ((logSum - picked) * counted).sum(ScalarType.Float64).item<double>();
        if (gradScale is float scale)
        {
            Tensor gradient = (logits32 - logSum).exp();
            gradient.scatter_add_(1, target.clamp_min(0), -counted);
            logits.copy_(gradient * counted * scale);
        }

        return loss;
    }
}
