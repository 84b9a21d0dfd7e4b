using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Swap.Planning;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Swapping;

/// <summary>
/// Compute of single units over slot memory on the CPU, to the bits of <see cref="ResidentModel"/>. Addresses are aligned to 64 bytes; weights
/// are in the compute type, gradient sums in fp32, both as the unit's layout has them; hidden states and their gradients are [rows, H] in the
/// compute type. A micro-batch that counts no token is left out, as the resident model leaves it out: nothing is computed, but the first one
/// still sets the sums to zero. One thread at a time, not inside a dispose scope of the caller's. Owns no slot memory.
/// </summary>
internal sealed unsafe class UnitCompute : IDisposable
{
    /// <summary>Gradients that are rounded by way of a buffer of its own, before the rest can go straight to their places.</summary>
    private const int FirstRoundedElements = 1 << 16;

    private readonly ModelLayout _layout;
    private readonly RunNumerics _numerics;
    private readonly DecoderModel _model;
    private readonly SlotViews _views;
    private readonly GradientRounding _rounding;
    private readonly NativeBuffer _firstRounded;

    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="threads">Threads that round gradients; borrowed.</param>
    public UnitCompute(ModelLayout layout, RunNumerics numerics, ParallelRanges threads)
    {
        _layout = layout;
        _numerics = numerics;
        _model = new DecoderModel(layout, numerics.SequenceTokens, numerics.HeadChunkTokens);
        var full = new BatchShape(numerics.MicroBatchSequences, numerics.SequenceTokens);
        _views = new SlotViews(layout, numerics.Type, new ActivationSizes(layout.Config, numerics.Type, full));
        _rounding = new GradientRounding(threads);
        _firstRounded = new NativeBuffer(FirstRoundedElements * sizeof(ushort));
    }

    /// <summary>Token ids to hidden states.</summary>
    /// <param name="weights">The embedding's.</param>
    /// <param name="batch">Ids.</param>
    /// <param name="output">Receives the first layer's input.</param>
    public void Embed(byte* weights, MicroBatch batch, byte* output)
    {
        if (IsLeftOut(batch))
        {
            return;
        }

        EmbeddingTensors tensors = _views.Embedding(weights, areSums: false);
        Tensor destination = Hidden(output, batch);
        using DisposeScope scope = NewDisposeScope();
        destination.copy_(_model.Embed(tensors, batch));
    }

    /// <summary>Forward of a layer; keeps what the policies say.</summary>
    /// <param name="weights">The layer's.</param>
    /// <param name="input">Hidden states.</param>
    /// <param name="output">Receives hidden states.</param>
    /// <param name="kept">Receives what stays on the GPU; null if nothing does.</param>
    /// <param name="swapped">Receives what leaves and comes back; null if nothing does.</param>
    /// <param name="policies">One an activation of the unit's shape.</param>
    /// <param name="batch">The micro-batch's shape and number of counted tokens.</param>
    public void Forward(byte* weights, byte* input, byte* output, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, MicroBatch batch)
    {
        if (IsLeftOut(batch))
        {
            return;
        }

        LayerTensors tensors = _views.Layer(weights, areSums: false);
        Tensor source = Hidden(input, batch);
        Tensor destination = Hidden(output, batch);
        ActivationViews places = _views.Activations(kept, swapped, policies, batch.Shape);
        using DisposeScope scope = NewDisposeScope();
        (Tensor result, LayerActivations made) = _model.Layer.Forward(tensors, source.alias(), batch.Shape);
        destination.copy_(result);
        made.CopyTo(places);
    }

    /// <summary>Loss alone.</summary>
    /// <param name="weights">The head's; null if it has no parameters.</param>
    /// <param name="tiedWeights">The embedding's, if the model is tied.</param>
    /// <param name="input">Hidden states of the last layer.</param>
    /// <param name="batch">Targets.</param>
    /// <returns>Sum of the counted tokens' losses.</returns>
    public double ForwardLoss(byte* weights, byte* tiedWeights, byte* input, MicroBatch batch)
    {
        if (IsLeftOut(batch))
        {
            return 0;
        }

        HeadTensors tensors = _views.Head(weights, tiedWeights, areSums: false);
        Tensor source = Hidden(input, batch);
        using DisposeScope scope = NewDisposeScope();
        return _model.HeadLoss(tensors, source, batch);
    }

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
    /// <returns>Sum of the counted tokens' losses.</returns>
    public double HeadLoss(
        byte* weights, byte* tiedWeights, byte* input, byte* hiddenGradient, byte* sums, byte* tiedSums, bool isFirst, MicroBatch batch, float gradScale)
    {
        if (isFirst)
        {
            ClearSums(_layout.Units.Count - 1, sums);
            if (_layout.Config.TiedEmbeddings)
            {
                Clear(tiedSums, _views.TiedCount);
            }
        }

        if (IsLeftOut(batch))
        {
            return 0;
        }

        HeadTensors tensors = _views.Head(weights, tiedWeights, areSums: false);
        HeadTensors sumTensors = _views.Head(sums, tiedSums, areSums: true);
        Tensor source = Hidden(input, batch);
        Tensor destination = Hidden(hiddenGradient, batch);
        using DisposeScope scope = NewDisposeScope();
        (double loss, Tensor gradient) = _model.HeadLossAndGradients(tensors, sumTensors, source, batch, gradScale);
        destination.copy_(gradient);
        return loss;
    }

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
    public void Backward(
        byte* weights, byte* input, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, byte* hiddenGradient, byte* sums, bool isFirst, MicroBatch batch)
    {
        if (isFirst)
        {
            ClearSums(1, sums);
        }

        if (IsLeftOut(batch))
        {
            return;
        }

        LayerTensors tensors = _views.Layer(weights, areSums: false);
        LayerTensors sumTensors = _views.Layer(sums, areSums: true);
        Tensor source = Hidden(input, batch);
        Tensor gradient = Hidden(hiddenGradient, batch);
        ActivationViews places = _views.Activations(kept, swapped, policies, batch.Shape);
        using DisposeScope scope = NewDisposeScope();
        using LayerActivations saved = _model.Layer.Restore(tensors, source.alias(), places, batch.Shape);
        gradient.copy_(_model.Layer.Backward(tensors, sumTensors, saved, gradient, batch.Shape));
    }

    /// <summary>Backward of the embedding.</summary>
    /// <param name="batch">Ids.</param>
    /// <param name="hiddenGradient">Gradient of the first layer's input.</param>
    /// <param name="sums">The embedding's gradients are added.</param>
    /// <param name="isFirst">The sums are set to zero first.</param>
    public void EmbeddingBackward(MicroBatch batch, byte* hiddenGradient, byte* sums, bool isFirst)
    {
        if (isFirst)
        {
            ClearSums(0, sums);
        }

        if (IsLeftOut(batch))
        {
            return;
        }

        EmbeddingTensors sumTensors = _views.Embedding(sums, areSums: true);
        Tensor gradient = Hidden(hiddenGradient, batch);
        using DisposeScope scope = NewDisposeScope();
        _model.EmbeddingBackward(sumTensors, batch, gradient);
    }

    /// <summary>
    /// Turns a unit's sums into its gradients, in place. bfloat16 runs: rounded once, in the first half of the slot; float32 runs: the sums are
    /// the gradients. The embedding of a tied model has the head's sum added first.
    /// </summary>
    /// <param name="unit">Index of the unit.</param>
    /// <param name="sums">Its sums.</param>
    /// <param name="tiedSums">The head's own sum of the tied matrix's gradient; read for the embedding of a tied model alone.</param>
    public void RoundGradients(int unit, byte* sums, byte* tiedSums)
    {
        if (unit == 0 && _layout.Config.TiedEmbeddings)
        {
            EmbeddingTensors tensors = _views.Embedding(sums, areSums: true);
            Tensor headSum = _views.Head(null, tiedSums, areSums: true).Matrix;
            tensors.Tokens.add_(headSum, Scalars.One);
        }

        if (_numerics.Type == ComputeType.BFloat16)
        {
            RoundInPlace(sums, _layout.Units[unit].Count);
        }
    }

    /// <summary>Sets a unit's sums to zero.</summary>
    public void ClearSums(int unit, byte* sums) => Clear(sums, _layout.Units[unit].Count);

    /// <summary>Frees the views.</summary>
    public void Dispose()
    {
        _views.Dispose();
        _firstRounded.Dispose();
    }

    private static bool IsLeftOut(MicroBatch batch) => batch.NumCounted == 0;

    private void Clear(byte* sums, long count)
    {
        if (count > 0)
        {
            // By libtorch's threads: one alone would take longer than a small micro-batch.
            Tensor flat = _views.Flat(sums, count, areSums: true);
            using DisposeScope scope = NewDisposeScope();
            flat.zero_();
        }
    }

    private Tensor Hidden(byte* address, MicroBatch batch)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch.Shape.Rows, (long)_numerics.MicroBatchSequences * _numerics.SequenceTokens, nameof(batch));
        return _views.Part(address, ActivationPart.Hidden, batch.Shape);
    }

    /// <summary>
    /// Element i goes from bytes [4i, 4i + 4) to [2i, 2i + 2). The first elements are rounded into a buffer and copied when they have all been
    /// read. After that, the elements from n to 2n lie in bytes [4n, 8n) and go to [2n, 4n): no byte is in both, and those written held
    /// elements below n, which are done. So each call rounds as many as are done already.
    /// </summary>
    private void RoundInPlace(byte* sums, long count)
    {
        long done = Math.Min(count, FirstRoundedElements);
        _rounding.Round((float*)sums, (ushort*)_firstRounded.Address, done);
        Buffer.MemoryCopy(_firstRounded.Address, sums, done * sizeof(ushort), done * sizeof(ushort));
        while (done < count)
        {
            long next = Math.Min(count - done, done);
            _rounding.Round((float*)sums + done, (ushort*)sums + done, next);
            done += next;
        }
    }
}
