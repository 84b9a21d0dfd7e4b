using Offload.Engine.Compute;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>
/// Where CudaUnitCompute's buffers lie in its workspace: offsets in bytes, fixed by the full micro-batch; a smaller one uses the first rows. Legend
/// as in LayerLayout, R rows of a full micro-batch, T tokens of a sequence, V vocabulary, C rows of a head chunk.
/// </summary>
/// <remarks>
/// First what all operations use: cublasLt's own workspace, the rotary tables, partial sums. Behind it, one over the other, since operations come one
/// after the other:
/// <list type="bullet">
/// <item>a layer: the normed rows [R, H]; what policies do not keep: qkv [R, Q + 2K], raw queries and keys [R, Q + K], middle [R, H], up [R, G]; and one
/// buffer [R, max(F, Q)] that has the activated rows and their gradient in the MLP, and the gradient of attention's output after that; attention's copies;</item>
/// <item>the head: normed rows [R, H], which become their gradient chunk by chunk; a chunk's logits [C, V]; losses of rows;</item>
/// <item>rounding: the first gradients.</item>
/// </list>
/// Gradients of up and of qkv lie where up and qkv were, which may be in activation slots: a backward is the last that reads these.
/// </remarks>
internal sealed class CudaWorkspace
{
    /// <summary>What NVIDIA advises for cublasLt on Hopper: with less, some products lose their best algorithms.</summary>
    public const long GemmBytes = 32L << 20;

    /// <summary>Gradients that are rounded by way of a buffer, before the rest can go straight to their places.</summary>
    public const long FirstRoundedElements = 1L << 20;

    /// <summary>Partial sums of a sum of squares: CudaKernels' bound.</summary>
    private const long MaxSquarePartials = 1024;

    /// <summary>Alignment of cudaMalloc: every kernel takes its fastest way.</summary>
    private const long AlignmentBytes = 256;

    private long _end;

    /// <param name="layout">The model.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="full">The largest micro-batch.</param>
    /// <param name="headChunkTokens">Tokens whose logits are in memory at once.</param>
    /// <param name="attention">How attention is done.</param>
    /// <exception cref="OverflowException">More bytes than any memory has.</exception>
    public CudaWorkspace(ModelLayout layout, ComputeType type, BatchShape full, int headChunkTokens, CudaAttentionShape attention)
    {
        DecoderConfig config = layout.Config;
        var sizes = new ActivationSizes(config, type, full);
        long rows = (long)full.Sequences * full.Tokens;
        long hidden = config.HiddenSize;
        Gemm = Take(GemmBytes);
        long tableBytes = config.Rope is null ? 0 : checked((long)full.Tokens * (config.HeadSize / 2) * sizeof(float));
        Cosines = Take(tableBytes);
        Sines = Take(tableBytes);
        long partialWidth = Math.Max(Math.Max(2 * hidden, config.HeadSize), Math.Max(sizes.Columns(ActivationPart.Qkv), sizes.UpSize));
        Partials = Take(Math.Max(checked(CudaKernels.MaxPartialRows * partialWidth * sizeof(float)), MaxSquarePartials * sizeof(double)));

        long shared = _end;
        int element = sizes.ElementBytes;
        Normed = Take(checked(rows * hidden * element));
        long behindNormed = _end;
        Qkv = Take(sizes.PartBytes(ActivationPart.Qkv));
        RawQueryKey = config.QueryKeyNorm ? Take(sizes.PartBytes(ActivationPart.RawQueryKey)) : _end;
        Middle = Take(sizes.PartBytes(ActivationPart.Middle));
        Up = Take(sizes.PartBytes(ActivationPart.Up));
        Wide = Take(checked(rows * Math.Max(config.IntermediateSize, sizes.QuerySize) * element));
        TakeAttention(attention);
        long layerEnd = _end;

        _end = behindNormed;
        Logits = Take(checked(Math.Min(headChunkTokens, rows) * config.VocabularySize * element));
        RowLosses = Take(checked(rows * sizeof(float)));
        long headEnd = _end;

        _end = shared;
        FirstRounded = Take(FirstRoundedElements * sizeof(ushort));
        SizeBytes = Math.Max(_end, Math.Max(layerEnd, headEnd));
    }

    /// <summary>Bytes of all buffers.</summary>
    public long SizeBytes { get; }

    /// <summary>cublasLt's workspace.</summary>
    public long Gemm { get; }

    /// <summary>fp32 [T, head size / 2].</summary>
    public long Cosines { get; }

    /// <summary>fp32 [T, head size / 2].</summary>
    public long Sines { get; }

    /// <summary>Partial sums of columns or of squares.</summary>
    public long Partials { get; }

    /// <summary>[R, H]: normed rows, or their gradient.</summary>
    public long Normed { get; }

    /// <summary>[R, Q + 2K].</summary>
    public long Qkv { get; }

    /// <summary>[R, Q + K].</summary>
    public long RawQueryKey { get; }

    /// <summary>[R, H].</summary>
    public long Middle { get; }

    /// <summary>[R, G].</summary>
    public long Up { get; }

    /// <summary>[R, max(F, Q)].</summary>
    public long Wide { get; }

    /// <summary>[R, Q + 2K] with padded heads.</summary>
    public long PaddedQkv { get; private set; }

    /// <summary>[R, Q] with padded heads: attention's output.</summary>
    public long PaddedOutput { get; private set; }

    /// <summary>[R, Q] with padded heads: its gradient.</summary>
    public long PaddedGradient { get; private set; }

    /// <summary>[R, Q]: attention's output, or the query's gradient, without padding.</summary>
    public long Compact { get; private set; }

    /// <summary>[R, K], padded: keys or values, one head after the other.</summary>
    public long KeyValue { get; private set; }

    /// <summary>[R, Q], padded: keys for each query head.</summary>
    public long RepeatedKey { get; private set; }

    /// <summary>[R, Q], padded: values for each query head.</summary>
    public long RepeatedValue { get; private set; }

    /// <summary>[R, K].</summary>
    public long KeyGradient { get; private set; }

    /// <summary>[R, K].</summary>
    public long ValueGradient { get; private set; }

    /// <summary>[C, V].</summary>
    public long Logits { get; }

    /// <summary>fp32 [R].</summary>
    public long RowLosses { get; }

    /// <summary>bfloat16 [<see cref="FirstRoundedElements"/>].</summary>
    public long FirstRounded { get; }

    private void TakeAttention(CudaAttentionShape attention)
    {
        long padded = attention.QueryElements(padded: true) * attention.ElementBytes;
        long paddedKey = attention.KeyElements(padded: true) * attention.ElementBytes;
        if (attention.IsPadded)
        {
            PaddedQkv = Take(padded + (2 * paddedKey));
            PaddedOutput = Take(padded);
            PaddedGradient = Take(padded);
            Compact = Take(attention.QueryElements(padded: false) * attention.ElementBytes);
        }

        if (attention.Repeats)
        {
            KeyValue = Take(paddedKey);
            RepeatedKey = Take(padded);
            RepeatedValue = Take(padded);
        }

        if (attention.IsPadded || attention.Repeats)
        {
            long key = attention.KeyElements(padded: false) * attention.ElementBytes;
            KeyGradient = Take(key);
            ValueGradient = Take(key);
        }
    }

    /// <returns>Offset of as many bytes, aligned.</returns>
    private long Take(long sizeBytes)
    {
        long offset = _end;
        _end = checked(_end + ((sizeBytes + AlignmentBytes - 1) / AlignmentBytes * AlignmentBytes));
        return offset;
    }
}
