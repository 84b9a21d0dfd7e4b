using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Parallelism;
using Offload.Engine.Training;
using Offload.Storage.Memory;
using Offload.Storage.States;
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
internal sealed unsafe class UnitCompute : IUnitCompute
{
    /// <summary>Gradients that are rounded by way of a buffer of its own, before the rest can go straight to their places.</summary>
    private const int FirstRoundedElements = 1 << 16;

    private readonly ModelLayout _layout;
    private readonly RunNumerics _numerics;
    private readonly DecoderModel _model;
    private readonly SlotViews _views;
    private readonly GradientRounding _rounding;
    private readonly GradientNorm _norm;
    private readonly CpuTiles _tiles;
    private readonly NativeBuffer _firstRounded;
    private readonly IDisposable? _workspace;

    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="threads">Threads of the optimizer's part; borrowed.</param>
    /// <param name="workspace">What is reserved for it; taken over.</param>
    public UnitCompute(ModelLayout layout, RunNumerics numerics, ParallelRanges threads, IDisposable? workspace = null)
    {
        _workspace = workspace;
        _layout = layout;
        _numerics = numerics;
        _model = new DecoderModel(layout, numerics.SequenceTokens, numerics.HeadChunkTokens);
        var full = new BatchShape(numerics.MicroBatchSequences, numerics.SequenceTokens);
        _views = new SlotViews(layout, numerics.Type, new ActivationSizes(layout.Config, numerics.Type, full));
        _rounding = new GradientRounding(threads);
        _norm = new GradientNorm(threads);
        _tiles = new CpuTiles(layout, numerics.Type, threads);
        _firstRounded = new NativeBuffer(FirstRoundedElements * sizeof(ushort));
    }

    /// <inheritdoc/>
    public void Embed(byte* weights, StagedBatch batch, byte* output)
    {
        if (IsLeftOut(batch))
        {
            return;
        }

        EmbeddingTensors tensors = _views.Embedding(weights, areSums: false);
        Tensor destination = Hidden(output, batch);
        using DisposeScope scope = NewDisposeScope();
        destination.copy_(_model.Embed(tensors, batch.Batch));
    }

    /// <inheritdoc/>
    public void Forward(byte* weights, byte* input, byte* output, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, StagedBatch batch)
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

    /// <inheritdoc/>
    public void ForwardLoss(byte* weights, byte* tiedWeights, byte* input, StagedBatch batch, double* loss)
    {
        if (IsLeftOut(batch))
        {
            *loss = 0;
            return;
        }

        HeadTensors tensors = _views.Head(weights, tiedWeights, areSums: false);
        Tensor source = Hidden(input, batch);
        using DisposeScope scope = NewDisposeScope();
        *loss = _model.HeadLoss(tensors, source, batch.Batch);
    }

    /// <inheritdoc/>
    public void HeadLoss(
        byte* weights, byte* tiedWeights, byte* input, byte* hiddenGradient, byte* sums, byte* tiedSums, bool isFirst, StagedBatch batch, float gradScale, double* loss)
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
            *loss = 0;
            return;
        }

        HeadTensors tensors = _views.Head(weights, tiedWeights, areSums: false);
        HeadTensors sumTensors = _views.Head(sums, tiedSums, areSums: true);
        Tensor source = Hidden(input, batch);
        Tensor destination = Hidden(hiddenGradient, batch);
        using DisposeScope scope = NewDisposeScope();
        (*loss, Tensor gradient) = _model.HeadLossAndGradients(tensors, sumTensors, source, batch.Batch, gradScale);
        destination.copy_(gradient);
    }

    /// <inheritdoc/>
    public void Backward(
        byte* weights, byte* input, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, byte* hiddenGradient, byte* sums, bool isFirst, StagedBatch batch)
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

    /// <inheritdoc/>
    public void EmbeddingBackward(StagedBatch batch, byte* hiddenGradient, byte* sums, bool isFirst)
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
        _model.EmbeddingBackward(sumTensors, batch.Batch, gradient);
    }

    /// <inheritdoc/>
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

    /// <inheritdoc/>
    public void Clear(byte* sums, long count)
    {
        if (count > 0)
        {
            // By libtorch's threads: one alone would take longer than a small micro-batch.
            Tensor flat = _views.Flat(sums, count, areSums: true);
            using DisposeScope scope = NewDisposeScope();
            flat.zero_();
        }
    }

    /// <inheritdoc/>
    public void SumOfSquares(int unit, byte* gradient, double* result) =>
        *result = _norm.SumOfSquares(CpuTiles.GradientAt(_numerics.Type, gradient), _layout.Units[unit].Count);

    /// <inheritdoc/>
    public void Update(int unit, TileShape shape, AdamWStates source, AdamWStates destination, byte* gradient, byte* weights, in UpdateStep step) =>
        _tiles.Update(unit, shape, source, destination, gradient, weights, step);

    /// <inheritdoc/>
    public void CopyTile(byte* source, byte* destination, long sizeBytes) => _tiles.CopyTile(source, destination, sizeBytes);

    /// <inheritdoc/>
    public void SetWeights(byte* weights, TileShape shape, AdamWStates states) => _tiles.SetWeights(weights, shape, states);

    /// <summary>Frees the views, and what was reserved.</summary>
    public void Dispose()
    {
        _views.Dispose();
        _firstRounded.Dispose();
        _workspace?.Dispose();
    }

    private static bool IsLeftOut(StagedBatch batch) => batch.Batch.NumCounted == 0;

    private void ClearSums(int unit, byte* sums) => Clear(sums, _layout.Units[unit].Count);

    private Tensor Hidden(byte* address, StagedBatch batch)
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
