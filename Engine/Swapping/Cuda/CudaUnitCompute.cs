using Offload.Engine.Compute;
using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage.States;
using Offload.Swap.Planning;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// Compute of single units over device memory: explicit forward and backward by cublasLt, our kernels and libtorch's attention, all issued to the legacy
/// default stream, which is libtorch's current one. Nothing waits for the GPU, and nothing allocates in steady state but attention, from libtorch's
/// caching allocator. Losses and sums of squares go to pinned CPU memory, where batches are staged too. A backward uses its activations up. One
/// thread at a time, on which the device is current; libtorch must be loaded for CUDA.
/// </summary>
internal sealed unsafe class CudaUnitCompute : IUnitCompute
{
    private readonly ModelLayout _layout;
    private readonly RunNumerics _numerics;
    private readonly CudaStream _stream;
    private readonly CudaKernels _kernels;
    private readonly CudaGemm _gemm;
    private readonly CudaTensorViews _views;
    private readonly CudaAttention _attention;
    private readonly CudaParts _parts;
    private readonly CudaLayer _layer;
    private readonly CudaHead _head;
    private readonly CudaTiles _tiles;

    /// <summary>The row of position 0 in the embedding unit; null if positions are not learned.</summary>
    private readonly TensorSlot? _firstPosition;

    /// <param name="device">The GPU; borrowed.</param>
    /// <param name="layout">The model.</param>
    /// <param name="numerics">What fixes the bits.</param>
    /// <param name="workspace"><see cref="ArenaBytes"/> of device memory, aligned to 256 bytes; borrowed.</param>
    /// <param name="attention">The kernel in bfloat16; float32 has but one.</param>
    /// <exception cref="UsageException">No attention kernel takes the model's heads.</exception>
    /// <exception cref="CudaException">The device lacks something.</exception>
    public CudaUnitCompute(
        CudaDevice device, ModelLayout layout, RunNumerics numerics, byte* workspace, CudaAttentionKind attention = CudaAttentionKind.Flash)
    {
        bool isDeterministic = numerics.IsDeterministic;
        DeterministicAlgorithms.Set(isDeterministic);
        _layout = layout;
        _numerics = numerics;
        DecoderConfig config = layout.Config;
        var full = new BatchShape(numerics.MicroBatchSequences, numerics.SequenceTokens);
        var shape = new CudaAttentionShape(config, numerics.Type, full, attention, isDeterministic);
        var buffers = new CudaWorkspace(layout, numerics.Type, full, numerics.HeadChunkTokens, shape);
        try
        {
            _stream = CudaStream.Default(device);
            _kernels = new CudaKernels(device, _stream, numerics.Type);
            _gemm = new CudaGemm(device, _stream, workspace + buffers.Gemm, CudaWorkspace.GemmBytes);
            _views = new CudaTensorViews(device.Ordinal, numerics.Type);
            _attention = new CudaAttention(shape, _views, _kernels, _stream, buffers, workspace);
            _parts = new CudaParts(layout, numerics, new ActivationSizes(config, numerics.Type, full), _stream, _kernels, _gemm, buffers, (nint)workspace);
            _layer = new CudaLayer(_parts, _attention);
            _head = new CudaHead(_parts);
            _tiles = new CudaTiles(layout, numerics.Type, _kernels, _stream);
            if (layout.PositionEmbedding is { } positions)
            {
                _firstPosition = positions with { Offset = positions.Offset + ((long)(config.LearnedPositionOffset ?? 0) * config.HiddenSize) };
            }

            CopyRotaryTables();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Device memory that the constructor wants: a true bound, whatever the micro-batch.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="full">The largest micro-batch.</param>
    /// <param name="headChunkTokens">Tokens whose logits are in memory at once.</param>
    /// <exception cref="OverflowException">More bytes than any memory has.</exception>
    /// <exception cref="UsageException">No attention kernel takes the model's heads.</exception>
    public static long ArenaBytes(ModelLayout layout, ComputeType type, BatchShape full, int headChunkTokens) =>
        new CudaWorkspace(layout, type, full, headChunkTokens, new CudaAttentionShape(layout.Config, type, full)).SizeBytes;

    /// <summary>What attention takes from libtorch's caching allocator at most, beside the arena.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="full">The largest micro-batch.</param>
    /// <param name="attention">The kernel in bfloat16.</param>
    /// <param name="isDeterministic">As given to the constructor.</param>
    /// <exception cref="UsageException">No attention kernel takes the model's heads.</exception>
    public static long AttentionBytes(
        ModelLayout layout, ComputeType type, BatchShape full, CudaAttentionKind attention = CudaAttentionKind.Flash, bool isDeterministic = false) =>
        new CudaAttentionShape(layout.Config, type, full, attention, isDeterministic).AllocatedBytes();

    /// <summary>All device memory of compute: <see cref="ArenaBytes"/> and <see cref="AttentionBytes"/>, deterministic or not.</summary>
    /// <inheritdoc cref="ArenaBytes"/>
    public static long WorkspaceBytes(ModelLayout layout, ComputeType type, BatchShape full, int headChunkTokens) =>
        checked(ArenaBytes(layout, type, full, headChunkTokens)
            + Math.Max(AttentionBytes(layout, type, full), AttentionBytes(layout, type, full, isDeterministic: true)));

    /// <inheritdoc/>
    public void Embed(byte* weights, StagedBatch batch, byte* output)
    {
        if (IsLeftOut(batch))
        {
            return;
        }

        BatchShape shape = Checked(batch);
        _kernels.EmbeddingForward(
            batch.Ids, _parts.Weight(weights, _layout.TokenEmbedding), _parts.Weight(weights, _firstPosition), output, shape.Sequences, shape.Tokens,
            _layout.Config.HiddenSize);
    }

    /// <inheritdoc/>
    public void Forward(byte* weights, byte* input, byte* output, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, StagedBatch batch)
    {
        if (!IsLeftOut(batch))
        {
            _layer.Forward(weights, input, output, CudaActivations.Of(_parts.Sizes, kept, swapped, policies), Checked(batch));
        }
    }

    /// <inheritdoc/>
    public void ForwardLoss(byte* weights, byte* tiedWeights, byte* input, StagedBatch batch, double* loss)
    {
        if (IsLeftOut(batch))
        {
            _head.NoLoss(loss);
            return;
        }

        _head.Loss(weights, tiedWeights, input, batch.Targets, Checked(batch).Rows, loss);
    }

    /// <inheritdoc/>
    public void HeadLoss(
        byte* weights, byte* tiedWeights, byte* input, byte* hiddenGradient, byte* sums, byte* tiedSums, bool isFirst, StagedBatch batch, float gradScale, double* loss)
    {
        if (isFirst)
        {
            Clear(sums, _layout.Units[^1].Count);
            if (_layout.Config.TiedEmbeddings)
            {
                Clear(tiedSums, TiedCount());
            }
        }

        if (IsLeftOut(batch))
        {
            _head.NoLoss(loss);
            return;
        }

        _head.LossAndGradients(
            weights, tiedWeights, input, hiddenGradient, sums, tiedSums, batch.Targets, Checked(batch).Rows, gradScale, loss);
    }

    /// <inheritdoc/>
    public void Backward(
        byte* weights, byte* input, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies, byte* hiddenGradient, byte* sums, bool isFirst, StagedBatch batch)
    {
        if (isFirst)
        {
            // Layers differ in nothing but their values.
            Clear(sums, _layout.Units[1].Count);
        }

        if (!IsLeftOut(batch))
        {
            _layer.Backward(weights, input, CudaActivations.Of(_parts.Sizes, kept, swapped, policies), hiddenGradient, sums, Checked(batch));
        }
    }

    /// <inheritdoc/>
    public void EmbeddingBackward(StagedBatch batch, byte* hiddenGradient, byte* sums, bool isFirst)
    {
        if (isFirst)
        {
            Clear(sums, _layout.Units[0].Count);
        }

        if (IsLeftOut(batch))
        {
            return;
        }

        BatchShape shape = Checked(batch);
        int width = _layout.Config.HiddenSize;
        _kernels.EmbeddingBackward(
            batch.DistinctIds, batch.Starts, batch.Order, batch.NumDistinct, hiddenGradient, CudaParts.Sum(sums, _layout.TokenEmbedding), width,
            _layout.Config.PaddingId ?? -1);
        if (_firstPosition is not null)
        {
            _kernels.PositionBackward(hiddenGradient, CudaParts.Sum(sums, _firstPosition), shape.Sequences, shape.Tokens, width);
        }
    }

    /// <inheritdoc/>
    public void RoundGradients(int unit, byte* sums, byte* tiedSums)
    {
        if (unit == 0 && _layout.Config.TiedEmbeddings)
        {
            _kernels.AddFloats(CudaParts.Sum(sums, _layout.TokenEmbedding), (float*)tiedSums, TiedCount());
        }

        if (_numerics.Type == ComputeType.BFloat16)
        {
            RoundInPlace(sums, _layout.Units[unit].Count);
        }
    }

    /// <inheritdoc/>
    public void Clear(byte* sums, long count) => _stream.Clear(sums, count * sizeof(float));

    /// <inheritdoc/>
    public void SumOfSquares(int unit, byte* gradient, double* result) =>
        _kernels.SumOfSquares(gradient, _numerics.Type == ComputeType.Float32, _layout.Units[unit].Count, (double*)_parts.Partials, result);

    /// <inheritdoc/>
    public void Update(int unit, TileShape shape, AdamWStates source, AdamWStates destination, byte* gradient, byte* weights, in UpdateStep step) =>
        _tiles.Update(unit, shape, source, destination, gradient, weights, step);

    /// <inheritdoc/>
    public void CopyTile(byte* source, byte* destination, long sizeBytes) => _tiles.CopyTile(source, destination, sizeBytes);

    /// <inheritdoc/>
    public void SetWeights(byte* weights, TileShape shape, AdamWStates states) => _tiles.SetWeights(weights, shape, states);

    /// <summary>Frees what it holds but no memory that was given; the GPU must be done with its work.</summary>
    public void Dispose()
    {
        _attention?.Dispose();
        _views?.Dispose();
        _gemm?.Dispose();
        _kernels?.Dispose();
        _stream?.Dispose();
    }

    private static bool IsLeftOut(StagedBatch batch) => batch.Batch.NumCounted == 0;

    private BatchShape Checked(StagedBatch batch)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch.Shape.Rows, (long)_numerics.MicroBatchSequences * _numerics.SequenceTokens, nameof(batch));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch.Shape.Tokens, _numerics.SequenceTokens, nameof(batch));
        return batch.Shape;
    }

    private long TiedCount() => _layout.TokenEmbedding.Shape[0] * _layout.TokenEmbedding.Shape[1];

    /// <summary>
    /// Element i goes from bytes [4i, 4i + 4) to [2i, 2i + 2). The first elements are rounded into the workspace and copied when they have all been
    /// read. After that, the elements from n to 2n lie in bytes [4n, 8n) and go to [2n, 4n): no byte is in both, and those written held elements below
    /// n, which are done. So each kernel rounds as many as are done already.
    /// </summary>
    private void RoundInPlace(byte* sums, long count)
    {
        long done = Math.Min(count, CudaWorkspace.FirstRoundedElements);
        if (done == 0)
        {
            return;
        }

        byte* first = _parts.At(_parts.Buffers.FirstRounded);
        _kernels.RoundToBFloat16((float*)sums, (ushort*)first, done);
        _stream.Copy(sums, first, done * sizeof(ushort));
        while (done < count)
        {
            long next = Math.Min(count - done, done);
            _kernels.RoundToBFloat16((float*)sums + done, (ushort*)sums + done, next);
            done += next;
        }
    }

    private void CopyRotaryTables()
    {
        if (_layout.Config.Rope is not { } rope)
        {
            return;
        }

        var tables = new RotaryTables(rope, _layout.Config.HeadSize, _numerics.SequenceTokens);
        long sizeBytes = (long)_numerics.SequenceTokens * (_layout.Config.HeadSize / 2) * sizeof(float);
        fixed (float* cosines = tables.Cosines, sines = tables.Sines)
        {
            _stream.Copy(_parts.At(_parts.Buffers.Cosines), cosines, sizeBytes);
            _stream.Copy(_parts.At(_parts.Buffers.Sines), sines, sizeBytes);
            // Once, before any step: the arrays may move afterwards.
            _stream.Synchronize();
        }
    }
}
