using Offload.Swap.Planning;

namespace Offload.Engine.Swapping;

/// <summary>
/// What a device computes of single units over slot memory of the GPU tier, to the bits of its own kind whatever the plan. Weights are in the
/// compute type, gradient sums in fp32, both as the unit's layout has them; hidden states and their gradients are [rows, H] in the compute type.
/// A micro-batch that counts no token is left out: nothing is computed, but the first one still sets the sums to zero. A device may only queue
/// the work, in the order of the calls; results that are numbers are there when that work is done. Called by the Compute lane's thread, not
/// inside a dispose scope. Owns no slot memory.
/// </summary>
internal unsafe interface IUnitCompute : ITileCompute, IDisposable
{
    /// <summary>Token ids to hidden states.</summary>
    /// <param name="weights">The embedding's.</param>
    /// <param name="batch">Ids.</param>
    /// <param name="output">Receives the first layer's input.</param>
    void Embed(byte* weights, StagedBatch batch, byte* output);

    /// <summary>Forward of a layer; keeps what the policies say.</summary>
    /// <param name="weights">The layer's.</param>
    /// <param name="input">Hidden states.</param>
    /// <param name="output">Receives hidden states.</param>
    /// <param name="kept">Receives what stays on the GPU; null if nothing does.</param>
    /// <param name="swapped">Receives what leaves and comes back; null if nothing does.</param>
    /// <param name="policies">One an activation of the unit's shape.</param>
    /// <param name="batch">The micro-batch's shape and number of counted tokens.</param>
    void Forward(byte* weights, byte* input, byte* output, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, StagedBatch batch);

    /// <summary>Loss alone.</summary>
    /// <param name="weights">The head's; null if it has no parameters.</param>
    /// <param name="tiedWeights">The embedding's, if the model is tied.</param>
    /// <param name="input">Hidden states of the last layer.</param>
    /// <param name="batch">Targets.</param>
    /// <param name="loss">Receives the sum of the counted tokens' losses, in CPU memory.</param>
    void ForwardLoss(byte* weights, byte* tiedWeights, byte* input, StagedBatch batch, double* loss);

    /// <summary>Loss, and the head's backward.</summary>
    /// <param name="weights">The head's; null if it has no parameters.</param>
    /// <param name="tiedWeights">The embedding's, if the model is tied.</param>
    /// <param name="input">Hidden states of the last layer.</param>
    /// <param name="hiddenGradient">Receives their gradient. Not the input's memory.</param>
    /// <param name="sums">The head's sums; null if it has no parameters.</param>
    /// <param name="tiedSums">The head's own sum of the tied matrix's gradient, if the model is tied.</param>
    /// <param name="isFirst">Both sums are set to zero first.</param>
    /// <param name="batch">Targets.</param>
    /// <param name="gradScale">1 / number of counted tokens of the whole step.</param>
    /// <param name="loss">Receives the sum of the counted tokens' losses, in CPU memory.</param>
    void HeadLoss(
        byte* weights, byte* tiedWeights, byte* input, byte* hiddenGradient, byte* sums, byte* tiedSums, bool isFirst, StagedBatch batch, float gradScale, double* loss);

    /// <summary>Backward of a layer; what was not kept is computed again.</summary>
    /// <param name="weights">The layer's.</param>
    /// <param name="input">Hidden states, as forward.</param>
    /// <param name="kept">As forward left it.</param>
    /// <param name="swapped">As forward left it.</param>
    /// <param name="policies">As forward.</param>
    /// <param name="hiddenGradient">In: gradient of the layer's output. Out: of its input.</param>
    /// <param name="sums">The layer's gradients are added.</param>
    /// <param name="isFirst">The sums are set to zero first.</param>
    /// <param name="batch">As forward.</param>
    void Backward(
        byte* weights, byte* input, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, byte* hiddenGradient, byte* sums, bool isFirst, StagedBatch batch);

    /// <summary>Backward of the embedding.</summary>
    /// <param name="batch">Ids.</param>
    /// <param name="hiddenGradient">Gradient of the first layer's input.</param>
    /// <param name="sums">The embedding's gradients are added.</param>
    /// <param name="isFirst">The sums are set to zero first.</param>
    void EmbeddingBackward(StagedBatch batch, byte* hiddenGradient, byte* sums, bool isFirst);

    /// <summary>
    /// Turns a unit's sums into its gradients, in place. bfloat16 runs: rounded once, in the first half of the slot; float32 runs: the sums are
    /// the gradients. The embedding of a tied model has the head's sum added first.
    /// </summary>
    /// <param name="unit">Index of the unit.</param>
    /// <param name="sums">Its sums.</param>
    /// <param name="tiedSums">The head's own sum of the tied matrix's gradient; read for the embedding of a tied model alone.</param>
    void RoundGradients(int unit, byte* sums, byte* tiedSums);

    /// <summary>Sets sums to zero.</summary>
    /// <param name="sums">fp32.</param>
    /// <param name="count">How many.</param>
    void Clear(byte* sums, long count);

    /// <summary>A unit's share of the global gradient norm.</summary>
    /// <param name="unit">Index of the unit.</param>
    /// <param name="gradient">Its rounded gradients.</param>
    /// <param name="result">Receives the sum of their squares, in CPU memory.</param>
    void SumOfSquares(int unit, byte* gradient, double* result);
}
