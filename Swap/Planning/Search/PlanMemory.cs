using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>
/// What a plan takes on each tier, by arithmetic: the search asks it thousands of times. It counts the slots that the builders make, and the
/// plan that is chosen is counted again on its schedule, so a difference costs speed, never a budget.
/// </summary>
/// <param name="work">The model.</param>
/// <param name="plan">Its plan.</param>
internal readonly ref struct PlanMemory(Workload work, SwapPlan plan)
{
    private readonly bool _isLayerMajor = plan.Order == StepOrder.LayerMajor;

    /// <summary>Bytes of one micro-batch's activations that stay on the GPU.</summary>
    public static long KeptBytes(UnitShape shape, UnitPlan unit) => ActivationBytes(shape, unit, policy => policy == ActivationPolicy.Keep);

    /// <summary>Bytes of one micro-batch's activations that leave the GPU and come back.</summary>
    public static long SwappedBytes(UnitShape shape, UnitPlan unit) =>
        ActivationBytes(shape, unit, policy => policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme);

    /// <summary>States on the drives, one generation.</summary>
    public long StoredBytes()
    {
        long sizeBytes = 0;
        for (int i = 0; i < work.Units.Count; i++)
        {
            sizeBytes += plan.IsDurable || plan.Units[i].States == Tier.Nvme ? work.Units[i].NumParameters * work.StateBytes : 0;
        }

        return sizeBytes;
    }

    /// <summary>All tiers; on the drives one generation of states.</summary>
    public TierBytes Count()
    {
        long gpu = work.WorkspaceBytes;
        long cpu = 2 * sizeof(double);
        long nvme = 0;
        long largestLayer = 0;
        long largestUnit = 0;
        long largestSwapped = 0;
        bool areLayersSwapped = false;
        bool areWeightsRead = false;
        bool areStatesRead = false;
        bool isStaged = false;
        for (int i = 0; i < work.Units.Count; i++)
        {
            UnitShape shape = work.Units[i];
            UnitPlan unit = plan.Units[i];
            bool isLayer = shape.Role == UnitRole.Layer;
            long count = shape.NumParameters;
            long weightBytes = count * work.WeightBytes;
            long stateBytes = count * work.StateBytes;
            int generations = plan.Update == UpdateMode.Speculative ? 2 : 1;
            largestUnit = Math.Max(largestUnit, count);
            areWeightsRead |= unit.Weights == Tier.Nvme;
            areStatesRead |= unit.States == Tier.Nvme;
            if (isLayer)
            {
                largestLayer = Math.Max(largestLayer, count);
                areLayersSwapped |= unit.Weights != Tier.Gpu;
            }
            else
            {
                gpu += count * sizeof(float);
            }

            gpu += !isLayer || unit.Weights == Tier.Gpu ? weightBytes : 0;
            if (unit.States == Tier.Gpu)
            {
                gpu += (stateBytes * generations) + (count * work.GradientBytes);
            }
            else
            {
                cpu += unit.Weights != Tier.Nvme ? weightBytes : 0;
                cpu += unit.States == Tier.Cpu ? stateBytes * generations : 0;
                Add(unit.Gradients, count * work.GradientBytes, ref gpu, ref cpu, ref nvme);
            }

            nvme += plan.IsDurable || unit.States == Tier.Nvme ? stateBytes : 0;
            if (isLayer)
            {
                long swapped = SwappedBytes(shape, unit);
                largestSwapped = Math.Max(largestSwapped, swapped);
                gpu += work.NumMicroBatches * KeptBytes(shape, unit);
                Add(unit.Input, work.NumMicroBatches * work.HiddenBytes, ref gpu, ref cpu, ref nvme);
                Tier swapTier = unit.Activations.Contains(ActivationPolicy.SwapToNvme) ? Tier.Nvme : Tier.Cpu;
                Add(swapTier, work.NumMicroBatches * swapped, ref gpu, ref cpu, ref nvme);
                isStaged |= unit.Input == Tier.Nvme || (swapped > 0 && swapTier == Tier.Nvme);
            }
        }

        gpu += areLayersSwapped ? plan.WeightSlots * largestLayer * work.WeightBytes : 0;
        gpu += plan.GradientSlots * largestLayer * sizeof(float);
        gpu += plan.ActivationSlots * largestSwapped;
        gpu += work.IsTied ? work.Units[0].NumParameters * sizeof(float) : 0;
        // Inputs of a unit's micro-batches and the first output of it; a gradient each.
        gpu += work.HiddenBytes * (_isLayerMajor ? (2 * work.NumMicroBatches) + 1 : 3);
        cpu += areWeightsRead ? plan.HostWeightSlots * largestUnit * work.WeightBytes : 0;
        cpu += areStatesRead ? plan.TileSlots * Math.Min(largestUnit, work.TileParameters) * work.StateBytes : 0;
        cpu += isStaged ? plan.StagingSlots * Math.Max(work.HiddenBytes, largestSwapped) : 0;
        return new TierBytes(gpu, cpu, nvme);
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

    private static long ActivationBytes(UnitShape shape, UnitPlan unit, Func<ActivationPolicy, bool> counts)
    {
        long sizeBytes = 0;
        for (int i = 0; i < unit.Activations.Count; i++)
        {
            sizeBytes += counts(unit.Activations[i]) ? shape.Activations[i].SizeBytes : 0;
        }

        return sizeBytes;
    }
}
