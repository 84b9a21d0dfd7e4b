namespace Offload.Swap.Planning;

/// <summary>All decisions of a step: tiers, slots, order of updates. With a <see cref="Workload"/> it gives a schedule.</summary>
public sealed record SwapPlan
{
    /// <summary>One a unit.</summary>
    public required IReadOnlyList<UnitPlan> Units { get; init; }

    /// <summary>Order of the work.</summary>
    public StepOrder Order { get; init; }

    /// <summary>When units are updated.</summary>
    public required UpdateMode Update { get; init; }

    /// <summary>New states are written to the drives in every step, those that are kept in CPU memory too.</summary>
    public required bool IsDurable { get; init; }

    /// <summary>Layers whose weights are on the GPU at a time.</summary>
    public int WeightSlots { get; init; } = 2;

    /// <summary>Layers whose gradient sums are on the GPU at a time.</summary>
    public int GradientSlots { get; init; } = 2;

    /// <summary>Sets of swapped activations that are on the GPU at a time.</summary>
    public int ActivationSlots { get; init; } = 2;

    /// <summary>Sets of activations that pass through CPU memory to and from the drives at a time.</summary>
    public int StagingSlots { get; init; } = 2;

    /// <summary>Weights of layers that pass through CPU memory from the drives at a time.</summary>
    public int HostWeightSlots { get; init; } = 2;

    /// <summary>Tiles of states that pass through CPU memory at a time.</summary>
    public int TileSlots { get; init; } = 3;
}
