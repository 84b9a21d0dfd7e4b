namespace Offload.Swap.Planning;

/// <summary>All decisions of a step: tiers, slots, order of updates. With a <see cref="Workload"/> it gives a schedule.</summary>
public sealed record SwapPlan
{
    /// <summary>One a unit.</summary>
    public required IReadOnlyList<UnitPlan> Units { get; init; }

    /// <summary>Which unit and micro-batch comes after which.</summary>
    public StepOrder Order { get; init; } = StepOrder.LayerMajor;

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

    /// <summary>Gradients of units that pass through CPU memory at a time, on their way to an update that comes at once, or to and from the drives.</summary>
    public int GradientStagingSlots { get; init; } = 2;

    /// <summary>
    /// Share of the tiles, from 0 to 1, whose update waits for the next step's forward although others' are done under the backward (immediate and
    /// speculative): drives and CPU then work through the whole step (GreedySnake's delayed share, 2025).
    /// </summary>
    public double DelayedShare { get; init; }

    /// <summary>Refuses what no schedule can be made of.</summary>
    /// <param name="work">The step.</param>
    /// <exception cref="PlanInfeasibleException">The plan contradicts itself, its order of work, or the step.</exception>
    public void Validate(Workload work) => PlanRules.Check(work, this);
}
