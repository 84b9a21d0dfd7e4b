using Offload.Engine.Compute;
using Offload.Engine.Models;
using Offload.Swap.Planning;

namespace Offload.Engine.Swapping;

/// <summary>
/// Sizes of a layer's activations and where they lie in a slot: those of one kind of policy one after the other, in the order of the unit's
/// shapes, each tensor padded to 64 bytes. Offsets are those of a full micro-batch for a smaller one too. Legend as in LayerLayout.
/// </summary>
/// <param name="config">The model.</param>
/// <param name="type">Element type of compute.</param>
/// <param name="full">The largest micro-batch.</param>
internal sealed class ActivationSizes(DecoderConfig config, ComputeType type, BatchShape full)
{
    /// <summary>What a policy is for, in order: see <see cref="Names"/>.</summary>
    public const int NumActivations = 4;

    /// <summary>Alignment of libtorch's own tensors (c10/core/alignment.h): kernels may take another way for less.</summary>
    private const long AlignmentBytes = 64;

    /// <summary>Names in reports.</summary>
    public static IReadOnlyList<string> Names { get; } = ["qkv", "attention", "middle", "up"];

    /// <summary>Bytes of an element of the compute type.</summary>
    public int ElementBytes { get; } = type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort);

    /// <summary>Query heads * head size.</summary>
    public long QuerySize { get; } = (long)config.NumHeads * config.HeadSize;

    /// <summary>Key heads * head size.</summary>
    public long KeySize { get; } = (long)config.NumKeyValueHeads * config.HeadSize;

    /// <summary>Outputs of the MLP's first matrix.</summary>
    public long UpSize { get; } = (config.GatedMlp ? 2L : 1L) * config.IntermediateSize;

    /// <summary>Parts that belong to one policy.</summary>
    /// <param name="activation">Index in <see cref="Names"/>.</param>
    public ReadOnlySpan<ActivationPart> Parts(int activation) => activation switch
    {
        0 => config.QueryKeyNorm ? [ActivationPart.Qkv, ActivationPart.RawQueryKey] : [ActivationPart.Qkv],
        1 => [ActivationPart.AttentionOutput, ActivationPart.LogSumExp],
        2 => [ActivationPart.Middle],
        3 => [ActivationPart.Up],
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "a layer has four activations"),
    };

    /// <summary>Columns of a part, as [rows, columns].</summary>
    public long Columns(ActivationPart part) => part switch
    {
        ActivationPart.Hidden or ActivationPart.Middle => config.HiddenSize,
        ActivationPart.Qkv => QuerySize + (2 * KeySize),
        ActivationPart.RawQueryKey => QuerySize + KeySize,
        ActivationPart.AttentionOutput => QuerySize,
        ActivationPart.LogSumExp => config.NumHeads,
        ActivationPart.Up => UpSize,
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "no such part"),
    };

    /// <summary>Bytes of a part of a full micro-batch, padded.</summary>
    public long PartBytes(ActivationPart part)
    {
        long sizeBytes = checked((long)full.Sequences * full.Tokens * Columns(part) * (part == ActivationPart.LogSumExp ? sizeof(float) : ElementBytes));
        return checked(sizeBytes + AlignmentBytes - 1) / AlignmentBytes * AlignmentBytes;
    }

    /// <summary>Bytes of all that a policy is for.</summary>
    /// <param name="activation">Index in <see cref="Names"/>.</param>
    public long ActivationBytes(int activation)
    {
        long sizeBytes = 0;
        foreach (ActivationPart part in Parts(activation))
        {
            sizeBytes += PartBytes(part);
        }

        return sizeBytes;
    }

    /// <summary>Whether a policy's tensors are in the set that leaves the GPU and comes back.</summary>
    public static bool IsSwapped(ActivationPolicy policy) => policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme;
}
