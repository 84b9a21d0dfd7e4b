using Offload.Engine.Compute;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Profiles;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// How a model's attention is given to libtorch's kernels, and the scratch memory that this takes. bfloat16: FlashAttention or cuDNN, over the
/// packed projections as they are; head sizes that are not multiples of 8 by way of padded copies. float32: the efficient kernel; key/value heads
/// are copied for each query head of their group, and head sizes that are not multiples of 4 are padded.
/// </summary>
internal sealed class CudaAttentionShape
{
    /// <summary>The largest head size of FlashAttention and cuDNN.</summary>
    private const int MaxFlashHeadSize = 256;

    // 16 bytes: what the kernels' vector loads take.
    private const int HeadSizeMultiple16 = 8;
    private const int HeadSizeMultiple32 = 4;

    /// <summary>The efficient kernel rounds the tokens of its log-sum-exp up to this (kAlignLSE in its source).</summary>
    private const int EfficientTokens = 32;

    /// <summary>libtorch's caching allocator: rounding of large blocks, and what it takes from the driver for blocks of 1 to 10 MiB.</summary>
    private const long BlockBytes = 2L << 20;
    private const long SmallSegmentBytes = 20L << 20;

    /// <summary>No GPU has more streaming multiprocessors yet: FlashAttention's deterministic backward has a sum for each group of them that works on a head.</summary>
    private const int MaxMultiprocessors = 192;

    private readonly BatchShape _full;
    private readonly bool _isDeterministic;

    /// <param name="config">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="full">The largest micro-batch.</param>
    /// <param name="preferred">The kernel in bfloat16.</param>
    /// <param name="isDeterministic">The backward adds up in one order.</param>
    /// <exception cref="UsageException">No kernel takes the model's heads.</exception>
    public CudaAttentionShape(
        DecoderConfig config, ComputeType type, BatchShape full, CudaAttentionKind preferred = CudaAttentionKind.Flash, bool isDeterministic = false)
    {
        _full = full;
        _isDeterministic = isDeterministic;
        bool isFloat32 = type == ComputeType.Float32;
        Kind = isFloat32 ? CudaAttentionKind.Efficient : preferred;
        ElementBytes = isFloat32 ? sizeof(float) : sizeof(ushort);
        NumHeads = config.NumHeads;
        NumKeyValueHeads = config.NumKeyValueHeads;
        HeadSize = config.HeadSize;
        int multiple = isFloat32 ? HeadSizeMultiple32 : HeadSizeMultiple16;
        PaddedHeadSize = (HeadSize + multiple - 1) / multiple * multiple;
        if (!isFloat32 && PaddedHeadSize > MaxFlashHeadSize)
        {
            throw new UsageException(
                $"attention on the GPU in bfloat16: expected heads of at most {MaxFlashHeadSize} elements, found {HeadSize}", "use --dtype float32 or --device cpu");
        }
    }

    /// <summary>The kernel.</summary>
    public CudaAttentionKind Kind { get; }

    /// <summary>Bytes of an element of the compute type.</summary>
    public int ElementBytes { get; }

    /// <summary>Query heads.</summary>
    public int NumHeads { get; }

    /// <summary>Key and value heads.</summary>
    public int NumKeyValueHeads { get; }

    /// <summary>Query heads that share a key/value head.</summary>
    public int GroupSize => NumHeads / NumKeyValueHeads;

    /// <summary>Width of a head.</summary>
    public int HeadSize { get; }

    /// <summary>Width of a head as the kernel gets it.</summary>
    public int PaddedHeadSize { get; }

    /// <summary>Heads are copied into wider ones.</summary>
    public bool IsPadded => PaddedHeadSize != HeadSize;

    /// <summary>Key/value heads are copied for each query head.</summary>
    public bool Repeats => Kind == CudaAttentionKind.Efficient && GroupSize > 1;

    /// <summary>
    /// Whether the kernel's log-sum-exp is as an activation slot has it: without gaps. If not, it is not kept, and a backward runs attention's
    /// forward again.
    /// </summary>
    public bool KeepsLogSumExp(BatchShape shape) => Kind != CudaAttentionKind.Efficient || shape.Tokens % EfficientTokens == 0;

    /// <summary>Elements of a full micro-batch's queries, padded or not.</summary>
    public long QueryElements(bool padded) => checked((long)_full.Sequences * _full.Tokens * NumHeads * (padded ? PaddedHeadSize : HeadSize));

    /// <summary>Elements of a full micro-batch's keys, padded or not.</summary>
    public long KeyElements(bool padded) => checked((long)_full.Sequences * _full.Tokens * NumKeyValueHeads * (padded ? PaddedHeadSize : HeadSize));

    /// <summary>
    /// What the kernels allocate from libtorch's caching allocator at most, from a forward's start to its backward's end: output and log-sum-exp,
    /// gradients (of key and value for each query head before they are summed over groups), row sums, and the query's gradient in fp32, which they add up in.
    /// </summary>
    public long AllocatedBytes()
    {
        checked
        {
            long query = QueryElements(padded: true) * ElementBytes;
            long key = KeyElements(padded: true) * ElementBytes;
            // FlashAttention rounds tokens up to 128 and head sizes to 32 or 64.
            long roundedRows = (long)_full.Sequences * ((_full.Tokens + 127) / 128 * 128);
            long rowSums = roundedRows * NumHeads * sizeof(float);
            long sumOfQuery = roundedRows * NumHeads * ((PaddedHeadSize + 63) / 64 * 64) * sizeof(float);
            if (_isDeterministic && Kind == CudaAttentionKind.Flash)
            {
                long heads = (long)_full.Sequences * NumHeads;
                sumOfQuery *= (MaxMultiprocessors + heads - 1) / heads;
            }

            long[] tensors = Kind switch
            {
                // Its row sums of gradient and output may be made of products in fp32; it may add up all gradients in fp32 for itself.
                CudaAttentionKind.Efficient => [query, rowSums, query, query, query, rowSums, sumOfQuery, sumOfQuery, sumOfQuery],
                // cuDNN's workspace is its own affair; it has the same in it.
                _ => GroupSize > 1
                    ? [query, rowSums, query, key, key, query, query, rowSums, sumOfQuery]
                    : [query, rowSums, query, key, key, rowSums, sumOfQuery],
            };
            return tensors.Sum(sizeBytes => (sizeBytes + BlockBytes - 1) / BlockBytes * BlockBytes) + (2 * SmallSegmentBytes)
                + (Kind == CudaAttentionKind.CuDnn ? 2 * sumOfQuery : 0);
        }
    }
}
