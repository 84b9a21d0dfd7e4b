using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>What the values of a plan take, each padded to whole pages, as direct I/O and the store's tiles need it. Immutable; any thread.</summary>
internal sealed class SlotSizes
{
    /// <summary>Slots and the parts of a tile begin on pages: the largest alignment that direct I/O asks for.</summary>
    public const long PageBytes = 4096;

    private readonly Workload _work;
    private readonly SwapPlan _plan;

    public SlotSizes(Workload work, SwapPlan plan)
    {
        _work = work;
        _plan = plan;
    }

    /// <summary>Size rounded up to whole pages.</summary>
    public static long Pad(long sizeBytes) => (sizeBytes + PageBytes - 1) / PageBytes * PageBytes;

    /// <summary>Tiles of a unit.</summary>
    public int NumTiles(int unit) => (int)((_work.Units[unit].NumParameters + _work.TileParameters - 1) / _work.TileParameters);

    /// <summary>Parameters of a tile.</summary>
    public long TileParameters(int unit, int tile) => Math.Min(_work.TileParameters, _work.Units[unit].NumParameters - (tile * _work.TileParameters));

    /// <summary>A unit's weights for compute, each tile's share padded: a read from the drives lands in them tile by tile.</summary>
    public long Weights(int unit) => Enumerable.Range(0, NumTiles(unit)).Sum(tile => Pad(TileParameters(unit, tile) * _work.WeightBytes));

    /// <summary>A unit's fp32 sums.</summary>
    public long Sums(int unit) => Pad(_work.Units[unit].NumParameters * sizeof(float));

    /// <summary>A unit's rounded gradients.</summary>
    public long Gradient(int unit) => Pad(_work.Units[unit].NumParameters * _work.GradientBytes);

    /// <summary>A tile's states.</summary>
    public long Tile(int unit, int tile) => StatesOf(TileParameters(unit, tile));

    /// <summary>The largest tile's states.</summary>
    public long LargestTile => StatesOf(LargestTileParameters);

    /// <summary>The two halves of the largest tile's master weights, where a weight for compute is joined from both.</summary>
    public long Masters => 2 * Pad(LargestTileParameters * sizeof(ushort));

    /// <summary>How many generations of states lie side by side outside the drives.</summary>
    public int NumGenerations => _plan.Update == UpdateMode.Speculative ? 2 : 1;

    /// <summary>Bytes of a micro-batch's activations that stay on the GPU.</summary>
    public long KeptBytes(int unit) => ActivationBytes(unit, policy => policy == ActivationPolicy.Keep);

    /// <summary>Bytes of a micro-batch's activations that leave the GPU and come back.</summary>
    public long SwappedBytes(int unit) => ActivationBytes(unit, policy => policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme);

    /// <summary>Where they wait. One transfer carries a unit's whole set: if any of it goes to the drives, all does.</summary>
    public Tier SwappedTier(int unit) => _plan.Units[unit].Activations.Contains(ActivationPolicy.SwapToNvme) ? Tier.Nvme : Tier.Cpu;

    /// <summary>The largest of some units' sizes; 0 of none.</summary>
    public long Largest(Func<int, bool> isOf, Func<int, long> sizeOf) => Enumerable.Range(0, _work.Units.Count).Where(isOf).Select(sizeOf).DefaultIfEmpty(0).Max();

    private long LargestTileParameters => Math.Min(_work.TileParameters, _work.Units.Max(unit => unit.NumParameters));

    private long StatesOf(long numParameters) => _work.StatePartBytes.Sum(partBytes => Pad(numParameters * partBytes));

    private long ActivationBytes(int unit, Func<ActivationPolicy, bool> isOf)
    {
        IReadOnlyList<ActivationPolicy> policies = _plan.Units[unit].Activations;
        long sizeBytes = 0;
        for (int i = 0; i < policies.Count; i++)
        {
            sizeBytes += isOf(policies[i]) ? _work.Units[unit].Activations[i].SizeBytes : 0;
        }

        return sizeBytes;
    }
}
