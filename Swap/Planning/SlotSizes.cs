using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// What the values of a plan take, each padded to whole pages, as direct I/O and the store's tiles need it: by unit, counted once, because
/// builders ask for each operation. Immutable; any thread.
/// </summary>
internal sealed class SlotSizes
{
    /// <summary>Slots and the parts of a tile begin on pages: the largest alignment that direct I/O asks for.</summary>
    public const long PageBytes = 4096;

    private readonly Workload _work;
    private readonly OfUnit[] _units;
    private readonly long _wholeTileBytes;

    public SlotSizes(Workload work, SwapPlan plan)
    {
        _work = work;
        NumGenerations = plan.Update == UpdateMode.Speculative ? 2 : 1;
        long largest = 0;
        foreach (UnitShape unit in work.Units)
        {
            largest = Math.Max(largest, unit.NumParameters);
        }

        largest = Math.Min(work.TileParameters, largest);
        LargestTile = StatesOf(largest);
        Masters = 2 * 2 * Pad(largest * sizeof(ushort));
        _wholeTileBytes = StatesOf(work.TileParameters);
        _units = new OfUnit[work.Units.Count];
        for (int unit = 0; unit < _units.Length; unit++)
        {
            _units[unit] = Count(work.Units[unit], plan.Units[unit]);
        }
    }

    /// <summary>The largest tile's states.</summary>
    public long LargestTile { get; }

    /// <summary>Both halves of the master weights of two tiles, the largest: one tile is read while the other one's weights for compute are joined.</summary>
    public long Masters { get; }

    /// <summary>How many generations of states lie side by side outside the drives.</summary>
    public int NumGenerations { get; }

    /// <summary>Size rounded up to whole pages.</summary>
    public static long Pad(long sizeBytes) => (sizeBytes + PageBytes - 1) / PageBytes * PageBytes;

    /// <summary>Tiles of a unit.</summary>
    public int NumTiles(int unit) => _units[unit].NumTiles;

    /// <summary>Parameters of a tile.</summary>
    public long TileParameters(int unit, int tile) => Math.Min(_work.TileParameters, _work.Units[unit].NumParameters - (tile * _work.TileParameters));

    /// <summary>A unit's weights for compute, each tile's share padded: a read from the drives lands in them tile by tile.</summary>
    public long Weights(int unit) => _units[unit].WeightBytes;

    /// <summary>A unit's fp32 sums.</summary>
    public long Sums(int unit) => Pad(_work.Units[unit].NumParameters * sizeof(float));

    /// <summary>A unit's rounded gradients.</summary>
    public long Gradient(int unit) => Pad(_work.Units[unit].NumParameters * _work.GradientBytes);

    /// <summary>A tile's states.</summary>
    public long Tile(int unit, int tile) => tile < _units[unit].NumTiles - 1 ? _wholeTileBytes : _units[unit].LastTileBytes;

    /// <summary>Bytes of a micro-batch's activations that stay on the GPU.</summary>
    public long KeptBytes(int unit) => _units[unit].KeptBytes;

    /// <summary>Bytes of a micro-batch's activations that leave the GPU and come back.</summary>
    public long SwappedBytes(int unit) => _units[unit].SwappedBytes;

    /// <summary>Where they wait. One transfer carries a unit's whole set: if any of it goes to the drives, all does.</summary>
    public Tier SwappedTier(int unit) => _units[unit].SwappedTier;

    /// <summary>The largest of some units' sizes; 0 of none.</summary>
    public long Largest(Func<int, bool> isOf, Func<int, long> sizeOf)
    {
        long largest = 0;
        for (int unit = 0; unit < _units.Length; unit++)
        {
            largest = isOf(unit) ? Math.Max(largest, sizeOf(unit)) : largest;
        }

        return largest;
    }

    private OfUnit Count(UnitShape shape, UnitPlan plan)
    {
        long numWhole = shape.NumParameters / _work.TileParameters;
        long rest = shape.NumParameters % _work.TileParameters;
        long keptBytes = 0;
        long swappedBytes = 0;
        Tier swappedTier = Tier.Cpu;
        for (int i = 0; i < plan.Activations.Count; i++)
        {
            ActivationPolicy policy = plan.Activations[i];
            long sizeBytes = shape.Activations[i].SizeBytes;
            keptBytes += policy == ActivationPolicy.Keep ? sizeBytes : 0;
            swappedBytes += policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme ? sizeBytes : 0;
            swappedTier = policy == ActivationPolicy.SwapToNvme ? Tier.Nvme : swappedTier;
        }

        return new OfUnit(
            checked((int)(numWhole + (rest > 0 ? 1 : 0))),
            (numWhole * Pad(_work.TileParameters * _work.WeightBytes)) + Pad(rest * _work.WeightBytes),
            rest > 0 ? StatesOf(rest) : _wholeTileBytes,
            keptBytes,
            swappedBytes,
            swappedTier);
    }

    private long StatesOf(long numParameters)
    {
        long sizeBytes = 0;
        foreach (int partBytes in _work.StatePartBytes)
        {
            sizeBytes += Pad(numParameters * partBytes);
        }

        return sizeBytes;
    }

    private readonly record struct OfUnit(int NumTiles, long WeightBytes, long LastTileBytes, long KeptBytes, long SwappedBytes, Tier SwappedTier);
}
