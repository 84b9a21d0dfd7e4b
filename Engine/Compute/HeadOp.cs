using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>
/// Head and cross-entropy, fused and chunked over tokens: logits [tokens, vocabulary] are never whole in memory; loss and softmax
/// in fp32. The chunk size is part of a run's numerics.
/// </summary>
internal static class HeadOp
{
    /// <summary>Loss alone.</summary>
    /// <param name="x">[rows, H], after the final norm.</param>
    /// <param name="weight">[vocabulary, H].</param>
    /// <param name="targets">[rows]; negative: not counted.</param>
    /// <param name="chunkTokens">Tokens of a chunk.</param>
    /// <returns>Sum of the counted tokens' losses.</returns>
    public static double Loss(Tensor x, Tensor weight, ReadOnlySpan<int> targets, int chunkTokens)
    {
        double loss = 0;
        for (int start = 0; start < targets.Length; start += chunkTokens)
        {
            int count = Math.Min(chunkTokens, targets.Length - start);
            using Tensor chunk = x.narrow(0, start, count);
            using Tensor logits = nn.functional.linear(chunk, weight);
            loss += CrossEntropyOp.Apply(logits, targets.Slice(start, count), gradScale: null);
        }

        return loss;
    }

    /// <summary>Loss and gradients.</summary>
    /// <param name="x">[rows, H], after the final norm.</param>
    /// <param name="weight">[vocabulary, H].</param>
    /// <param name="targets">[rows]; negative: not counted.</param>
    /// <param name="gradScale">1 / number of counted tokens of the whole step.</param>
    /// <param name="weightSum">fp32 [vocabulary, H]: receives the weight's gradient.</param>
    /// <param name="chunkTokens">Tokens of a chunk.</param>
    /// <returns>Sum of the counted tokens' losses; gradient of x, the caller's.</returns>
    public static (double Loss, Tensor GradX) LossAndGradients(
        Tensor x, Tensor weight, ReadOnlySpan<int> targets, float gradScale, Tensor weightSum, int chunkTokens)
    {
        using DisposeScope scope = NewDisposeScope();
        double loss = 0;
        Tensor gradX = empty_like(x);
        for (int start = 0; start < targets.Length; start += chunkTokens)
        {
            using DisposeScope chunkScope = NewDisposeScope();
            int count = Math.Min(chunkTokens, targets.Length - start);
            Tensor chunk = x.narrow(0, start, count);
            Tensor logits = nn.functional.linear(chunk, weight);
            loss += CrossEntropyOp.Apply(logits, targets.Slice(start, count), gradScale);
            LinearOp.AccumulateGradients(chunk, logits, weightSum, biasSum: null, inputMajor: false);
            gradX.narrow(0, start, count).copy_(LinearOp.InputGradient(logits, weight, inputMajor: false));
        }

        return (loss, gradX.MoveToOuterDisposeScope());
    }
}
