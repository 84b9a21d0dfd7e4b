using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>What the planner may not decide: each null is left to it.</summary>
public sealed record PlanChoices
{
    /// <summary>Order of work. <see cref="StepOrder.Fuyou"/> and <see cref="StepOrder.ZeroInfinity"/> fix tiers and update mode as these systems have them.</summary>
    public StepOrder Order { get; init; } = StepOrder.LayerMajor;

    /// <summary>Optimizer states: <see cref="Tier.Nvme"/>: all on the drives; <see cref="Tier.Cpu"/>: all in CPU memory; null: as they fit.</summary>
    public Tier? States { get; init; }

    /// <summary>No states on the drives, which may have activations and gradients all the same. A search of the planner's own.</summary>
    internal bool KeepsStatesOffDrives { get; init; }

    /// <summary>Sequences of a micro-batch; must divide the step's.</summary>
    public int? MicroBatchSequences { get; init; }

    /// <summary>When units are updated.</summary>
    public UpdateMode? Update { get; init; }

    /// <summary>Gradients are clipped by their global norm: rules out <see cref="UpdateMode.Immediate"/>.</summary>
    public bool IsClipped { get; init; } = true;

    /// <summary>A step with a NaN stops the run and need not be undone: only then the planner chooses <see cref="UpdateMode.Immediate"/> by itself.</summary>
    public bool StopsOnNan { get; init; }

    /// <summary>All states are written to the drives in every step; null: when any of them live there.</summary>
    public bool? IsDurable { get; init; }
}
