using Offload.Swap.Planning;

namespace Offload.Engine.Swapping.Cuda;

/// <summary>Where a layer's activations lie in its two slots; null: not kept. Shapes: see <see cref="ActivationPart"/>.</summary>
internal unsafe struct CudaActivations
{
    /// <summary>[rows, Q + 2K].</summary>
    public byte* Qkv;

    /// <summary>[rows, Q + K].</summary>
    public byte* RawQueryKey;

    /// <summary>[rows, Q].</summary>
    public byte* AttentionOutput;

    /// <summary>fp32 [sequences, heads, tokens].</summary>
    public float* LogSumExp;

    /// <summary>[rows, H].</summary>
    public byte* Middle;

    /// <summary>[rows, G].</summary>
    public byte* Up;

    /// <summary>By policy, in the order that <see cref="ActivationSizes"/> says.</summary>
    /// <param name="sizes">Sizes of a full micro-batch.</param>
    /// <param name="kept">What stays on the GPU.</param>
    /// <param name="swapped">What leaves and comes back.</param>
    /// <param name="policies">One an activation.</param>
    public static CudaActivations Of(ActivationSizes sizes, byte* kept, byte* swapped, IReadOnlyList<ActivationPolicy> policies)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(policies.Count, ActivationSizes.NumActivations, nameof(policies));
        var places = default(CudaActivations);
        for (int i = 0; i < ActivationSizes.NumActivations; i++)
        {
            if (policies[i] == ActivationPolicy.Recompute)
            {
                continue;
            }

            bool isSwapped = ActivationSizes.IsSwapped(policies[i]);
            byte* place = isSwapped ? swapped : kept;
            foreach (ActivationPart part in sizes.Parts(i))
            {
                places.Set(part, place);
                place += sizes.PartBytes(part);
            }

            if (isSwapped)
            {
                swapped = place;
            }
            else
            {
                kept = place;
            }
        }

        return places;
    }

    private void Set(ActivationPart part, byte* place)
    {
        switch (part)
        {
            case ActivationPart.Qkv:
                Qkv = place;
                break;
            case ActivationPart.RawQueryKey:
                RawQueryKey = place;
                break;
            case ActivationPart.AttentionOutput:
                AttentionOutput = place;
                break;
            case ActivationPart.LogSumExp:
                LogSumExp = (float*)place;
                break;
            case ActivationPart.Middle:
                Middle = place;
                break;
            default:
                Up = place;
                break;
        }
    }
}
