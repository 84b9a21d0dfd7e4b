using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>All slots of a plan, made when they are first asked for where they belong to one value alone. One thread.</summary>
internal sealed class UnitSlots
{
    private readonly Workload _work;
    private readonly SwapPlan _plan;
    private readonly ScheduleBuilder _builder;
    private readonly SlotPool _layerWeights;
    private readonly SlotPool _layerSums;
    private readonly SlotPool _hidden;
    private readonly Dictionary<int, SlotPool> _ownWeights = [];
    private readonly Dictionary<int, SlotPool> _ownSums = [];
    private readonly Dictionary<(string Name, int Unit, int Part), int> _own = [];

    public UnitSlots(Workload work, SwapPlan plan, ScheduleBuilder builder, int numHiddenSlots)
    {
        _work = work;
        _plan = plan;
        _builder = builder;
        long layerParameters = work.Units.Where(unit => unit.Role == UnitRole.Layer).Select(unit => unit.NumParameters).DefaultIfEmpty(0).Max();
        int[] layers = [.. Enumerable.Range(0, work.Units.Count).Where(unit => work.Units[unit].Role == UnitRole.Layer)];
        bool areLayersSwapped = layers.Any(unit => plan.Units[unit].Weights != Tier.Gpu);
        _layerWeights = new SlotPool(builder, "weights", Tier.Gpu, areLayersSwapped ? plan.WeightSlots : 0, layerParameters * work.WeightBytes);
        _layerSums = new SlotPool(builder, "gradient sums", Tier.Gpu, layers.Length > 0 ? plan.GradientSlots : 0, layerParameters * sizeof(float));
        _hidden = new SlotPool(builder, "hidden", Tier.Gpu, numHiddenSlots, work.HiddenBytes);
        long swappedBytes = layers.Select(SwappedBytes).DefaultIfEmpty(0).Max();
        Activations = new SlotPool(builder, "activations", Tier.Gpu, swappedBytes > 0 ? plan.ActivationSlots : 0, swappedBytes);
        bool isStaged = layers.Any(unit => plan.Units[unit].Input == Tier.Nvme || SwappedTier(unit) == Tier.Nvme);
        Staging = new SlotPool(builder, "staging", Tier.Cpu, isStaged ? plan.StagingSlots : 0, Math.Max(work.HiddenBytes, swappedBytes));
        bool areWeightsOnDrives = plan.Units.Any(unit => unit.Weights == Tier.Nvme);
        long largestUnit = work.Units.Max(unit => unit.NumParameters);
        HostWeights = new SlotPool(builder, "host weights", Tier.Cpu, areWeightsOnDrives ? plan.HostWeightSlots : 0, largestUnit * work.WeightBytes);
        bool areStatesOnDrives = plan.Units.Any(unit => unit.States == Tier.Nvme);
        Tiles = new SlotPool(builder, "tile", Tier.Cpu, areStatesOnDrives ? plan.TileSlots : 0, Math.Min(largestUnit, work.TileParameters) * work.StateBytes);
        Norm = builder.AddSlot("norm", Tier.Cpu, sizeof(double));
        Decision = builder.AddSlot("decision", Tier.Cpu, sizeof(double));
    }

    /// <summary>Sets of swapped activations on the GPU.</summary>
    public SlotPool Activations { get; }

    /// <summary>Activations on their way to and from the drives.</summary>
    public SlotPool Staging { get; }

    /// <summary>Weights on their way from the drives.</summary>
    public SlotPool HostWeights { get; }

    /// <summary>Tiles of states on their way from and to the drives.</summary>
    public SlotPool Tiles { get; }

    /// <summary>Sum of squares so far.</summary>
    public int Norm { get; }

    /// <summary>What was decided of the step.</summary>
    public int Decision { get; }

    /// <summary>The head's sum of a tied matrix's gradient.</summary>
    public int TiedSum => Own("tied gradient sum", 0, 0, Tier.Gpu, _work.Units[0].NumParameters * sizeof(float));

    /// <summary>Whether a slot for hidden states is free.</summary>
    public bool HasFreeHidden => _hidden.HasFree;

    /// <summary>Where a unit's weights lie on the GPU: a pool of all layers, one of its own for others and for those that stay there.</summary>
    public SlotPool Weights(int unit) => _work.Units[unit].Role == UnitRole.Layer && _plan.Units[unit].Weights != Tier.Gpu
        ? _layerWeights
        : OwnPool(_ownWeights, "weights of", unit, _work.Units[unit].NumParameters * _work.WeightBytes);

    /// <summary>Where a unit's gradients are summed.</summary>
    public SlotPool Sums(int unit) => _work.Units[unit].Role == UnitRole.Layer
        ? _layerSums
        : OwnPool(_ownSums, "gradient sums of", unit, _work.Units[unit].NumParameters * sizeof(float));

    /// <summary>Weights in CPU memory, of a unit whose weights are not on the drives alone.</summary>
    public int CpuWeights(int unit) => Own("CPU weights", unit, 0, Tier.Cpu, _work.Units[unit].NumParameters * _work.WeightBytes);

    /// <summary>A unit's gradients in CPU memory.</summary>
    public int HostGradient(int unit) => Own("gradients", unit, 0, Tier.Cpu, _work.Units[unit].NumParameters * _work.GradientBytes);

    /// <summary>A tile on the drives: room for two generations is the store's matter.</summary>
    public int Stored(int unit, int tile) => Own("stored states", unit, tile, Tier.Nvme, TileParameters(unit, tile) * _work.StateBytes);

    /// <summary>A tile that stays in CPU memory.</summary>
    public int HostStates(int unit, int tile) => Own("states", unit, tile, Tier.Cpu, TileParameters(unit, tile) * _work.StateBytes);

    /// <summary>Gradient of the hidden states of a micro-batch.</summary>
    public int HiddenGradient(int microBatch) => Own("hidden gradient", 0, microBatch, Tier.Gpu, _work.HiddenBytes);

    /// <summary>Activations that stay on the GPU.</summary>
    public int Kept(int unit, int microBatch) => Own("kept activations", unit, microBatch, Tier.Gpu, KeptBytes(unit));

    /// <summary>Tiles of a unit.</summary>
    public int NumTiles(int unit) => (int)((_work.Units[unit].NumParameters + _work.TileParameters - 1) / _work.TileParameters);

    /// <summary>Takes a slot for a unit's input, which the unit before is about to write or a load to bring.</summary>
    public int TakeInput(int unit, int microBatch) => _work.Units[unit].Role == UnitRole.Layer && _plan.Units[unit].Input == Tier.Gpu
        ? Own("input", unit, microBatch, Tier.Gpu, _work.HiddenBytes)
        : _hidden.Take(Key(unit, microBatch));

    /// <summary>Where a unit's input is on the GPU.</summary>
    public int Input(int unit, int microBatch) => _work.Units[unit].Role == UnitRole.Layer && _plan.Units[unit].Input == Tier.Gpu
        ? Own("input", unit, microBatch, Tier.Gpu, _work.HiddenBytes)
        : _hidden[Key(unit, microBatch)];

    /// <summary>The input is not needed on the GPU any more, or is there for good.</summary>
    public void ReleaseInput(int unit, int microBatch)
    {
        if (_hidden.Holds(Key(unit, microBatch)))
        {
            _hidden.Release(Key(unit, microBatch));
        }
    }

    /// <summary>Where a unit's input waits for its backward, if not on the GPU.</summary>
    public SavedPlace SavedInput(int unit, int microBatch) => Saved("saved input", unit, microBatch, _plan.Units[unit].Input, _work.HiddenBytes);

    /// <summary>Where a unit's swapped activations wait.</summary>
    public SavedPlace SavedActivations(int unit, int microBatch) =>
        Saved("saved activations", unit, microBatch, SwappedTier(unit), SwappedBytes(unit));

    /// <summary>Bytes of a micro-batch's activations that stay on the GPU.</summary>
    public long KeptBytes(int unit) => Sum(unit, policy => policy == ActivationPolicy.Keep);

    /// <summary>Bytes of a micro-batch's activations that leave the GPU and come back.</summary>
    public long SwappedBytes(int unit) => Sum(unit, policy => policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme);

    // One transfer carries a unit's whole set: if any of it goes to the drives, all does.
    private Tier SwappedTier(int unit) => _plan.Units[unit].Activations.Contains(ActivationPolicy.SwapToNvme) ? Tier.Nvme : Tier.Cpu;

    private static long Key(int unit, int microBatch) => ((long)unit << 32) | (uint)microBatch;

    private long TileParameters(int unit, int tile) => Math.Min(_work.TileParameters, _work.Units[unit].NumParameters - (tile * _work.TileParameters));

    private long Sum(int unit, Func<ActivationPolicy, bool> isOf)
    {
        IReadOnlyList<ActivationPolicy> policies = _plan.Units[unit].Activations;
        long sizeBytes = 0;
        for (int i = 0; i < policies.Count; i++)
        {
            sizeBytes += isOf(policies[i]) ? _work.Units[unit].Activations[i].SizeBytes : 0;
        }

        return sizeBytes;
    }

    private SavedPlace Saved(string name, int unit, int microBatch, Tier tier, long sizeBytes) =>
        new(Own(name, unit, microBatch, tier, sizeBytes), IsStaged: tier == Tier.Nvme);

    private int Own(string name, int unit, int part, Tier tier, long sizeBytes)
    {
        if (!_own.TryGetValue((name, unit, part), out int slot))
        {
            slot = _builder.AddSlot($"{name} {unit}.{part}", tier, sizeBytes);
            _own.Add((name, unit, part), slot);
        }

        return slot;
    }

    private SlotPool OwnPool(Dictionary<int, SlotPool> pools, string name, int unit, long sizeBytes)
    {
        if (!pools.TryGetValue(unit, out SlotPool? pool))
        {
            pool = new SlotPool(_builder, $"{name} {_work.Units[unit].Name}", Tier.Gpu, 1, sizeBytes);
            pools.Add(unit, pool);
        }

        return pool;
    }
}
