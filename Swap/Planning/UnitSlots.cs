using System.Runtime.InteropServices;
using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// All slots of a plan, made when they are first asked for. Names and sizes depend on work and plan alone, so that equal values have equal slots
/// in all schedules of a plan. One thread.
/// </summary>
internal sealed class UnitSlots
{
    private static readonly string[] Names =
    [
        "norm", "norm on GPU", "decision", "end of step", "tied gradient sum", "masters staging", "gradient sums of unit",
        "CPU gradient sums", "CPU weights", "gradients", "stored gradients", "stored states", "states", "GPU states", "hidden gradient",
        "kept activations", "input", "saved input", "saved activations",
    ];

    private readonly Workload _work;
    private readonly SwapPlan _plan;
    private readonly SlotSizes _sizes;
    private readonly DelayedTiles _delayed;
    private readonly ScheduleBuilder _builder;
    private readonly int _numLive;
    private readonly SlotPool _layerWeights;
    private readonly SlotPool _layerSums;
    private readonly Dictionary<int, SlotPool> _ownWeights = [];
    private readonly Dictionary<long, int> _own = [];

    /// <param name="context">What they are for.</param>
    /// <param name="numLive">Micro-batches that are between forward and backward at a time: what belongs to one has so many slots.</param>
    /// <param name="numHidden">Hidden states on the GPU at a time, beside inputs that stay there.</param>
    public UnitSlots(PlanContext context, int numLive, int numHidden)
    {
        _work = context.Work;
        _plan = context.Plan;
        _sizes = context.Sizes;
        _delayed = context.Delayed;
        _builder = context.Builder;
        _numLive = numLive;
        int Count(Func<int, bool> isOf) => Enumerable.Range(0, _work.Units.Count).Count(isOf);
        bool IsLayer(int unit) => _work.Units[unit].Role == UnitRole.Layer;

        // More slots than layers that take turns in them would lie idle.
        _layerWeights = Pool("weights", Tier.Gpu, Math.Min(_plan.WeightSlots, Count(AreWeightsShared)), _sizes.Largest(AreWeightsShared, _sizes.Weights));
        _layerSums = Pool("gradient sums", Tier.Gpu, Math.Min(_plan.GradientSlots, Count(AreSumsShared)), _sizes.Largest(AreSumsShared, _sizes.Sums));
        Hidden = Pool("hidden", Tier.Gpu, numHidden, _work.HiddenBytes);
        long swappedBytes = _sizes.Largest(IsLayer, _sizes.SwappedBytes);
        Activations = Pool("activations", Tier.Gpu, _plan.ActivationSlots, swappedBytes);
        long stagedBytes = _sizes.Largest(unit => IsLayer(unit) && _sizes.SwappedTier(unit) == Tier.Nvme, _sizes.SwappedBytes);
        long stagedInput = _plan.Units.Any(unit => unit.Input == Tier.Nvme) ? _work.HiddenBytes : 0;
        Staging = Pool("staging", Tier.Cpu, _plan.StagingSlots, Math.Max(stagedBytes, stagedInput));
        HostWeights = Pool("host weights", Tier.Cpu, _plan.HostWeightSlots, _sizes.Largest(unit => _plan.Units[unit].Weights == Tier.Nvme, _sizes.Weights));
        GradientStaging = Pool("gradient staging", Tier.Cpu, _plan.GradientStagingSlots, _sizes.Largest(AreGradientsStaged, _sizes.Gradient));
        Tiles = Pool("tile", Tier.Cpu, _plan.TileSlots, _sizes.LargestTile);
    }

    /// <summary>Hidden states on the GPU.</summary>
    public SlotPool Hidden { get; }

    /// <summary>Sets of swapped activations on the GPU.</summary>
    public SlotPool Activations { get; }

    /// <summary>Activations on their way to and from the drives.</summary>
    public SlotPool Staging { get; }

    /// <summary>Weights on their way from the drives.</summary>
    public SlotPool HostWeights { get; }

    /// <summary>Gradients on their way to an update at once, or to and from the drives.</summary>
    public SlotPool GradientStaging { get; }

    /// <summary>Tiles of states on their way from and to the drives.</summary>
    public SlotPool Tiles { get; }

    /// <summary>Sums of squares of gradients in CPU memory, one a unit.</summary>
    public int Norm => Own(Value.Norm, 0, 0, Tier.Cpu, sizeof(double) * _work.Units.Count);

    /// <summary>Sums of squares of gradients on the GPU, one a unit.</summary>
    public int NormOnGpu => Own(Value.NormOnGpu, 0, 0, Tier.Cpu, sizeof(double) * _work.Units.Count);

    /// <summary>What was decided of the step. What comes under the backward or is delayed waits for that of the step before.</summary>
    public int Decision => Own(Value.Decision, 0, 0, Tier.Cpu, sizeof(double), _delayed.HasAny || _delayed.IsUnderBackward);

    /// <summary>Where one step ends and another begins, for orders that do not overlap them.</summary>
    public int StepEnd => Own(Value.StepEnd, 0, 0, Tier.Cpu, sizeof(double), isPersistent: true);

    /// <summary>The head's sum of a tied matrix's gradient.</summary>
    public int TiedSum => Own(Value.TiedSum, 0, 0, Tier.Gpu, _sizes.Sums(0));

    /// <summary>The two halves of a tile's master weights before they are joined.</summary>
    public int Masters => Own(Value.Masters, 0, 0, Tier.Cpu, _sizes.Masters);

    /// <summary>Whether a unit's weights take turns with other layers' on the GPU.</summary>
    public bool AreWeightsShared(int unit) => _work.Units[unit].Role == UnitRole.Layer && _plan.Units[unit].Weights != Tier.Gpu;

    /// <summary>Whether a unit's gradient sums take turns with other layers'; those whose states are on the GPU wait there for the update.</summary>
    public bool AreSumsShared(int unit) => _work.Units[unit].Role == UnitRole.Layer && _plan.Units[unit].States != Tier.Gpu;

    /// <summary>Whether a unit's gradients have no place of their own in CPU memory: they are used at once, or wait on the drives.</summary>
    public bool AreGradientsStaged(int unit) => _plan.Units[unit].States != Tier.Gpu && (!_delayed.DoGradientsWait || _plan.Units[unit].Gradients == Tier.Nvme);

    /// <summary>Where a unit's weights lie on the GPU: a pool of all layers, one of its own for others and for those that stay there.</summary>
    public SlotPool Weights(int unit)
    {
        if (AreWeightsShared(unit))
        {
            return _layerWeights;
        }

        if (!_ownWeights.TryGetValue(unit, out SlotPool? pool))
        {
            pool = new SlotPool(_builder, $"weights of unit {unit}.", Tier.Gpu, 1, _sizes.Weights(unit), _plan.Units[unit].States == Tier.Gpu);
            _ownWeights.Add(unit, pool);
        }

        return pool;
    }

    /// <summary>Where layers' gradients are summed in turn.</summary>
    public SlotPool SharedSums => _layerSums;

    /// <summary>Where a unit's gradients are summed that takes no turns.</summary>
    public int OwnSums(int unit) => Own(
        Value.OwnSums, unit, 0, Tier.Gpu, _sizes.Sums(unit), _plan.Units[unit].States == Tier.Gpu && _delayed.IsAny(unit));

    /// <summary>A unit's gradient sums in CPU memory, between two micro-batches.</summary>
    public int HostSums(int unit) => Own(Value.HostSums, unit, 0, Tier.Cpu, _sizes.Sums(unit));

    /// <summary>Weights in CPU memory, of a unit whose weights are not on the drives alone.</summary>
    public int CpuWeights(int unit) => Own(Value.CpuWeights, unit, 0, Tier.Cpu, _sizes.Weights(unit), isPersistent: true);

    /// <summary>A unit's gradients, waiting in CPU memory.</summary>
    public int HostGradient(int unit) => Own(Value.HostGradient, unit, 0, Tier.Cpu, _sizes.Gradient(unit), _delayed.IsAny(unit));

    /// <summary>A unit's gradients, waiting on the drives.</summary>
    public int StoredGradient(int unit) => Own(Value.StoredGradient, unit, 0, Tier.Nvme, _sizes.Gradient(unit), _delayed.IsAny(unit));

    /// <summary>A tile on the drives: room for two generations is the store's matter.</summary>
    public int Stored(int unit, int tile) => Own(Value.Stored, unit, tile, Tier.Nvme, _sizes.Tile(unit, tile), isPersistent: true);

    /// <summary>A tile that stays in CPU memory, in as many generations as the update mode needs.</summary>
    public int HostStates(int unit, int tile) => Own(Value.HostStates, unit, tile, Tier.Cpu, _sizes.NumGenerations * _sizes.Tile(unit, tile), isPersistent: true);

    /// <summary>A tile that stays on the GPU, in as many generations as the update mode needs.</summary>
    public int GpuStates(int unit, int tile) => Own(Value.GpuStates, unit, tile, Tier.Gpu, _sizes.NumGenerations * _sizes.Tile(unit, tile), isPersistent: true);

    /// <summary>Gradient of the hidden states of a micro-batch.</summary>
    public int HiddenGradient(int microBatch) => Own(Value.HiddenGradient, 0, microBatch % _numLive, Tier.Gpu, _work.HiddenBytes);

    /// <summary>Activations that stay on the GPU.</summary>
    public int Kept(int unit, int microBatch) => Own(Value.Kept, unit, microBatch % _numLive, Tier.Gpu, _sizes.KeptBytes(unit));

    /// <summary>An input that stays on the GPU.</summary>
    public int KeptInput(int unit, int microBatch) => Own(Value.KeptInput, unit, microBatch % _numLive, Tier.Gpu, _work.HiddenBytes);

    /// <summary>Where a unit's input waits for its backward, if not on the GPU.</summary>
    public SavedPlace SavedInput(int unit, int microBatch) => Saved(Value.SavedInput, unit, microBatch, _plan.Units[unit].Input, _work.HiddenBytes);

    /// <summary>Where a unit's swapped activations wait.</summary>
    public SavedPlace SavedActivations(int unit, int microBatch) =>
        Saved(Value.SavedActivations, unit, microBatch, _sizes.SwappedTier(unit), _sizes.SwappedBytes(unit));

    private SlotPool Pool(string name, Tier tier, int count, long sizeBytes) => new(_builder, name + " ", tier, count, SlotSizes.Pad(sizeBytes), isPersistent: false);

    private SavedPlace Saved(Value value, int unit, int microBatch, Tier tier, long sizeBytes) =>
        new(Own(value, unit, microBatch % _numLive, tier, sizeBytes), IsStaged: tier == Tier.Nvme);

    private int Own(Value value, int unit, int part, Tier tier, long sizeBytes, bool isPersistent = false)
    {
        ref int slot = ref CollectionsMarshal.GetValueRefOrAddDefault(_own, ((long)value << 56) | ((long)unit << 32) | (uint)part, out bool isThere);
        if (!isThere)
        {
            slot = _builder.AddSlot($"{Names[(int)value]} {unit}.{part}", tier, SlotSizes.Pad(sizeBytes), isPersistent);
        }

        return slot;
    }

    /// <summary>What has slots of its own; <see cref="Names"/> in the same order.</summary>
    private enum Value : byte
    {
        Norm,
        NormOnGpu,
        Decision,
        StepEnd,
        TiedSum,
        Masters,
        OwnSums,
        HostSums,
        CpuWeights,
        HostGradient,
        StoredGradient,
        Stored,
        HostStates,
        GpuStates,
        HiddenGradient,
        Kept,
        KeptInput,
        SavedInput,
        SavedActivations,
    }
}
