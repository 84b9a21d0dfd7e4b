using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>
/// What plans of a model take on each tier, by arithmetic: the search asks it thousands of times. It counts the slots that the builders make,
/// and a plan that is chosen is counted again on its schedule, so a difference would cost speed, never a budget. Immutable; any thread.
/// </summary>
internal sealed class MemoryModel
{
    // Norms, decision, end of the step: a page each.
    private const long SmallBytes = 4 * SlotSizes.PageBytes;

    private readonly Workload _work;
    private readonly long[] _weightBytes;
    private readonly long[] _sumBytes;
    private readonly long[] _gradientBytes;
    private readonly long[] _stateBytes;
    private readonly long _hiddenBytes;
    private readonly long _largestTileBytes;
    private readonly long _mastersBytes;

    /// <param name="work">The model.</param>
    public MemoryModel(Workload work)
    {
        _work = work;
        long[] counts = [.. work.Units.Select(unit => unit.NumParameters)];
        _weightBytes = [.. counts.Select(count => ByTile(count, work.WeightBytes))];
        _sumBytes = [.. counts.Select(count => SlotSizes.Pad(count * sizeof(float)))];
        _gradientBytes = [.. counts.Select(count => SlotSizes.Pad(count * work.GradientBytes))];
        _stateBytes = [.. counts.Select(count => work.StatePartBytes.Sum(part => ByTile(count, part)))];
        _hiddenBytes = SlotSizes.Pad(work.HiddenBytes);
        long largestTile = Math.Min(work.TileParameters, counts.Max());
        _largestTileBytes = work.StatePartBytes.Sum(part => SlotSizes.Pad(largestTile * part));
        _mastersBytes = 2 * 2 * SlotSizes.Pad(largestTile * sizeof(ushort));
    }

    /// <summary>States on the drives, one generation.</summary>
    public long StoredBytes(SwapPlan plan)
    {
        long sizeBytes = 0;
        for (int i = 0; i < _stateBytes.Length; i++)
        {
            sizeBytes += plan.IsDurable || plan.Units[i].States == Tier.Nvme ? _stateBytes[i] : 0;
        }

        return sizeBytes;
    }

    /// <summary>All tiers; on the drives one generation of states.</summary>
    public TierBytes Count(SwapPlan plan)
    {
        bool isLayerMajor = plan.Order == StepOrder.LayerMajor;
        int numLive = isLayerMajor ? _work.NumMicroBatches : 1;
        int numHidden = isLayerMajor ? _work.NumMicroBatches + 1 : 3;
        bool doGradientsWait = plan.Update != UpdateMode.Immediate || HasDelayedTiles(plan);
        int generations = plan.Update == UpdateMode.Speculative ? 2 : 1;
        long gpu = _work.WorkspaceBytes + (numLive * _hiddenBytes);
        long cpu = SmallBytes;
        long nvme = StoredBytes(plan);
        var weights = default(Turns);
        var sums = default(Turns);
        var activations = default(Turns);
        var staging = default(Turns);
        var hostWeights = default(Turns);
        var gradients = default(Turns);
        int numTileTakes = 0;
        int numHiddenTakes = _work.NumMicroBatches;
        long sharedSumBytes = 0;
        for (int i = 0; i < _stateBytes.Length; i++)
        {
            UnitPlan unit = plan.Units[i];
            bool isLayer = _work.Units[i].Role == UnitRole.Layer;
            bool isOnGpu = unit.States == Tier.Gpu;

            int numLoads = isLayer ? NumLoads(i, isLayerMajor ? 1 : _work.NumMicroBatches) : 1;
            if (isLayer && unit.Weights != Tier.Gpu)
            {
                weights.Add(_weightBytes[i], 1);
            }
            else
            {
                gpu += _weightBytes[i];
            }

            if (isLayer)
            {
                sums.Add(isOnGpu ? 0 : _sumBytes[i], 1);
                sharedSumBytes += isOnGpu ? 0 : _sumBytes[i];
                CountActivations(i, unit, numLive, ref gpu, ref cpu, ref nvme, ref activations, ref staging);
                numHiddenTakes += unit.Input == Tier.Gpu ? 0 : 2 * _work.NumMicroBatches;
            }

            gpu += !isLayer || isOnGpu ? _sumBytes[i] : 0;
            numTileTakes += unit.States == Tier.Nvme || (isOnGpu && plan.IsDurable) ? (int)Math.Min(int.MaxValue / 4, NumTiles(i)) : 0;
            if (isOnGpu)
            {
                gpu += generations * _stateBytes[i];
                continue;
            }

            cpu += unit.States == Tier.Cpu ? generations * _stateBytes[i] : 0;
            if (unit.Weights == Tier.Nvme)
            {
                hostWeights.Add(_weightBytes[i], numLoads);
            }
            else
            {
                cpu += _weightBytes[i];
            }

            if (!doGradientsWait || unit.Gradients == Tier.Nvme)
            {
                gradients.Add(_gradientBytes[i], doGradientsWait ? 2 : 1);
                nvme += doGradientsWait ? _gradientBytes[i] : 0;
            }
            else
            {
                cpu += _gradientBytes[i];
            }
        }

        gpu += weights.Bytes(plan.WeightSlots) + sums.Bytes(plan.GradientSlots) + activations.Bytes(plan.ActivationSlots);
        gpu += Math.Min(numHidden, numHiddenTakes) * _hiddenBytes;
        gpu += _work.IsTied ? _sumBytes[0] : 0;
        cpu += hostWeights.Bytes(plan.HostWeightSlots) + gradients.Bytes(plan.GradientStagingSlots) + staging.Bytes(plan.StagingSlots);
        cpu += Math.Min(plan.TileSlots, numTileTakes) * _largestTileBytes;
        cpu += _work.WeightBytes > sizeof(ushort) && hostWeights.NumTakes > 0 ? _mastersBytes : 0;
        cpu += !isLayerMajor && _work.NumMicroBatches > 1 && sums.NumTakes > plan.GradientSlots ? sharedSumBytes : 0;
        return new TierBytes(gpu, cpu, nvme);
    }

    private void CountActivations(
        int index, UnitPlan unit, int numLive, ref long gpu, ref long cpu, ref long nvme, ref Turns activations, ref Turns staging)
    {
        IReadOnlyList<ActivationShape> shapes = _work.Units[index].Activations;
        long keptBytes = 0;
        long swappedBytes = 0;
        Tier swapTier = Tier.Cpu;
        for (int i = 0; i < shapes.Count; i++)
        {
            ActivationPolicy policy = unit.Activations[i];
            keptBytes += policy == ActivationPolicy.Keep ? shapes[i].SizeBytes : 0;
            swappedBytes += policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme ? shapes[i].SizeBytes : 0;
            swapTier = policy == ActivationPolicy.SwapToNvme ? Tier.Nvme : swapTier;
        }

        gpu += numLive * SlotSizes.Pad(keptBytes);
        Add(unit.Input, numLive * _hiddenBytes, ref gpu, ref cpu, ref nvme);
        if (unit.Input == Tier.Nvme)
        {
            staging.Add(_hiddenBytes, 2 * _work.NumMicroBatches);
        }

        if (swappedBytes > 0)
        {
            Add(swapTier, numLive * SlotSizes.Pad(swappedBytes), ref gpu, ref cpu, ref nvme);
            activations.Add(SlotSizes.Pad(swappedBytes), 2 * _work.NumMicroBatches);
            if (swapTier == Tier.Nvme)
            {
                staging.Add(SlotSizes.Pad(swappedBytes), 2 * _work.NumMicroBatches);
            }
        }
    }

    private static void Add(Tier tier, long sizeBytes, ref long gpu, ref long cpu, ref long nvme)
    {
        switch (tier)
        {
            case Tier.Gpu:
                gpu += sizeBytes;
                break;
            case Tier.Cpu:
                cpu += sizeBytes;
                break;
            default:
                nvme += sizeBytes;
                break;
        }
    }

    /// <summary>A small share of few tiles is none.</summary>
    private bool HasDelayedTiles(SwapPlan plan)
    {
        double numTiles = 0;
        for (int i = 0; plan.DelayedShare > 0 && i < _stateBytes.Length; i++)
        {
            numTiles += plan.Units[i].States == Tier.Gpu ? 0 : NumTiles(i);
        }

        return plan.DelayedShare * numTiles > 1 - 1e-9;
    }

    /// <summary>Each pass loads a layer's weights; the last one's stay for the backward, the first one's for the next micro-batch's forward.</summary>
    private int NumLoads(int index, int numRounds)
    {
        int numStays = (index == _stateBytes.Length - 2 ? numRounds : 0) + (index == 1 ? numRounds - 1 : 0);
        return (2 * numRounds) - numStays;
    }

    private long NumTiles(int index) => (_work.Units[index].NumParameters + _work.TileParameters - 1) / _work.TileParameters;

    /// <summary>An array that is cut into tiles, each padded.</summary>
    private long ByTile(long count, int elementBytes) =>
        (count / _work.TileParameters * SlotSizes.Pad(_work.TileParameters * elementBytes)) + SlotSizes.Pad(count % _work.TileParameters * elementBytes);

    /// <summary>Values that take turns in slots of the largest one's size; a slot is only made when it is needed.</summary>
    private struct Turns
    {
        private long _largestBytes;

        public int NumTakes { get; private set; }

        public void Add(long sizeBytes, int numTakes)
        {
            _largestBytes = Math.Max(_largestBytes, sizeBytes);
            NumTakes += sizeBytes > 0 ? numTakes : 0;
        }

        public readonly long Bytes(int numSlots) => Math.Min(numSlots, NumTakes) * _largestBytes;
    }
}
