using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>
/// Makes plans fit budgets: what is too much goes to the next tier, what is worth least per byte first; what is left is given to what is
/// worth most. One thread.
/// </summary>
internal sealed class PlanFitter
{
    private readonly ReducedModel _model;
    private readonly PlanChoices _choices;
    private readonly PlanBudget _budget;
    private readonly bool _arePublishedTiers;
    private readonly MemoryModel _memory;
    private readonly int[] _order;
    private readonly int[] _shrinkOrder;

    /// <param name="model">The model; plans are those of the reduced one, memory is that of the whole.</param>
    /// <param name="choices">What is fixed.</param>
    /// <param name="budget">Room.</param>
    /// <param name="sparesFirst">What is too much is taken from the last units first: the next forward waits for the updates of the first ones.</param>
    public PlanFitter(ReducedModel model, PlanChoices choices, PlanBudget budget, bool sparesFirst = false)
    {
        _model = model;
        _choices = choices;
        _budget = budget;
        _memory = new MemoryModel(model.Whole);
        _arePublishedTiers = choices.Order is StepOrder.Fuyou or StepOrder.ZeroInfinity;

        // Layers first: their weights are read in two passes, those of embedding and head in one.
        int numLayers = model.Reduced.Units.Count - 2;
        _order = [.. PlanEdits.SpreadOrder(numLayers).Select(layer => layer + 1), 0, numLayers + 1];
        _shrinkOrder = sparesFirst ? [.. Enumerable.Range(0, numLayers + 2)] : _order;
    }

    /// <summary>There are drives.</summary>
    public bool HasDrives => _budget.Nvme > 0;

    /// <summary>The published systems always load the next layer's weights under this one's work.</summary>
    private int LeastWeightSlots => _arePublishedTiers ? 2 : 1;

    /// <summary>What a plan takes, with the generations of states that its update mode needs.</summary>
    public TierBytes Count(SwapPlan plan)
    {
        SwapPlan whole = _model.Expand(plan);
        TierBytes bytes = _memory.Count(whole);
        return plan.Update == UpdateMode.Speculative ? bytes with { Nvme = bytes.Nvme + _memory.StoredBytes(whole) } : bytes;
    }

    /// <summary>The plan made to fit, and what is left given away.</summary>
    /// <param name="plan">Any.</param>
    /// <param name="smallest">What it came to: if null is returned, still too large and nothing can be made smaller.</param>
    public SwapPlan? Fit(SwapPlan plan, out SwapPlan smallest)
    {
        smallest = Settle(plan);
        while (true)
        {
            TierBytes bytes = Count(smallest);
            SwapPlan? next = null;
            if (bytes.Gpu > _budget.Gpu)
            {
                next = SmallerOnGpu(smallest);
            }
            else if (bytes.Cpu > _budget.Cpu)
            {
                next = SmallerOnCpu(smallest);
            }
            else if (bytes.Nvme > _budget.Nvme)
            {
                next = SmallerOnDrives(smallest);
            }
            else
            {
                return Fill(smallest);
            }

            if (next is null)
            {
                return null;
            }

            smallest = Settle(next);
        }
    }

    /// <summary>Gives CPU memory that is left to weights first, which two passes read for 2 bytes a parameter, then to gradients and states.</summary>
    private SwapPlan Fill(SwapPlan plan)
    {
        if (_arePublishedTiers)
        {
            return plan;
        }

        plan = FillWith(plan, unit => unit.Weights == Tier.Nvme ? unit with { Weights = Tier.Cpu } : null);
        plan = FillWith(plan, unit => unit.Gradients == Tier.Nvme ? unit with { Gradients = Tier.Cpu } : null);
        return _choices.States == Tier.Nvme ? plan : FillWith(plan, unit => unit.States == Tier.Nvme ? unit with { States = Tier.Cpu } : null);
    }

    private SwapPlan FillWith(SwapPlan plan, Func<UnitPlan, UnitPlan?> promote)
    {
        bool isLayerTooLarge = false;
        foreach (int index in _order)
        {
            bool isLayer = _model.Reduced.Units[index].Role == UnitRole.Layer;
            if ((isLayer && isLayerTooLarge) || promote(plan.Units[index]) is not { } better || !better.IsSound())
            {
                continue;
            }

            SwapPlan tried = Settle(plan.WithUnit(index, better));
            if (_budget.Holds(Count(tried)))
            {
                plan = tried;
            }
            else
            {
                isLayerTooLarge |= isLayer;
            }
        }

        return plan;
    }

    /// <summary>States of all units are written in every step as soon as some live on the drives.</summary>
    private SwapPlan Settle(SwapPlan plan) =>
        plan with { IsDurable = _choices.IsDurable ?? plan.Units.Any(unit => unit.States == Tier.Nvme) };

    private SwapPlan? SmallerOnGpu(SwapPlan plan) =>
        Change(plan, WithoutKept)
        ?? Change(plan, unit => unit.States == Tier.Gpu ? unit with { States = Tier.Cpu } : null)
        ?? Change(plan, WithoutWeightsOnGpu)
        ?? Change(plan, unit => unit.Input == Tier.Gpu ? unit with { Input = Tier.Cpu } : null)
        ?? WithFewerSlotsOnGpu(plan);

    /// <summary>Less on the GPU, and on no other tier more.</summary>
    private SwapPlan? TighterOnGpu(SwapPlan plan) =>
        Change(plan, WithoutWeightsOnGpu) ?? WithFewerSlotsOnGpu(plan) ?? Change(plan, WithoutKept);

    private SwapPlan? WithFewerSlotsOnGpu(SwapPlan plan) =>
        (plan.WeightSlots > 2 ? plan with { WeightSlots = 2 } : null)
        ?? (plan.GradientSlots > 2 ? plan with { GradientSlots = 2 } : null)
        ?? (plan.ActivationSlots > 1 ? plan with { ActivationSlots = 1 } : null)
        ?? (plan.GradientSlots > 1 ? plan with { GradientSlots = 1 } : null)
        ?? Change(plan, WithoutSwaps)
        ?? (plan.WeightSlots > LeastWeightSlots ? plan with { WeightSlots = LeastWeightSlots } : null);

    private SwapPlan? SmallerOnCpu(SwapPlan plan)
    {
        SwapPlan? smaller = null;
        if (HasDrives && _choices.States != Tier.Cpu && !_choices.KeepsStatesOffDrives)
        {
            smaller = Change(plan, unit => unit.States == Tier.Cpu ? unit with { States = Tier.Nvme } : null);
        }

        // Without drives, what the GPU has room for.
        smaller ??= _choices.States is null ? FitsOnGpu(Change(plan, ToGpu)) : null;
        if (HasDrives)
        {
            smaller ??= Change(plan, unit => unit.Weights == Tier.Cpu && unit.States == Tier.Nvme ? unit with { Weights = Tier.Nvme } : null)
                ?? Change(plan, unit => unit.Gradients == Tier.Cpu ? unit with { Gradients = Tier.Nvme } : null);
        }

        smaller ??= Change(plan, unit => First(unit, ActivationPolicy.SwapToCpu) is int swapped and >= 0
            ? unit.WithActivation(swapped, _arePublishedTiers ? ActivationPolicy.SwapToNvme : ActivationPolicy.Recompute) : null);
        if (HasDrives)
        {
            smaller ??= Change(plan, unit => unit.Input == Tier.Cpu ? unit with { Input = Tier.Nvme } : null);
        }

        return smaller
            ?? (HasDrives ? null : WithRoomOnGpu(plan))
            ?? FitsOnGpu(Change(plan, unit => unit.Input == Tier.Cpu ? unit with { Input = Tier.Gpu } : null))
            ?? WithRoomOnGpu(plan)
            ?? (plan.GradientStagingSlots > 1 ? plan with { GradientStagingSlots = plan.GradientStagingSlots - 1 } : null)
            ?? (plan.TileSlots > 1 ? plan with { TileSlots = plan.TileSlots - 1 } : null)
            ?? (plan.StagingSlots > 1 ? plan with { StagingSlots = plan.StagingSlots - 1 } : null)
            ?? (plan.HostWeightSlots > 1 ? plan with { HostWeightSlots = plan.HostWeightSlots - 1 } : null);
    }

    /// <summary>States go to the GPU after all, when what takes room there without need is smaller.</summary>
    private SwapPlan? WithRoomOnGpu(SwapPlan plan)
    {
        if (_choices.States is not null)
        {
            return null;
        }

        for (SwapPlan? tight = plan; tight is not null; tight = TighterOnGpu(tight))
        {
            if (FitsOnGpu(Change(tight, ToGpu)) is { } fitting)
            {
                return fitting;
            }
        }

        return null;
    }

    private SwapPlan? SmallerOnDrives(SwapPlan plan) =>
        Change(plan, unit => First(unit, ActivationPolicy.SwapToNvme) is int swapped and >= 0 ? unit.WithActivation(swapped, ActivationPolicy.Recompute) : null);

    private SwapPlan? FitsOnGpu(SwapPlan? plan) => plan is not null && Count(plan).Gpu <= _budget.Gpu ? plan : null;

    /// <summary>Changes the last unit, in the order of taking, that can be.</summary>
    private SwapPlan? Change(SwapPlan plan, Func<UnitPlan, UnitPlan?> change)
    {
        for (int i = _shrinkOrder.Length - 1; i >= 0; i--)
        {
            if (change(plan.Units[_shrinkOrder[i]]) is { } changed && changed.IsSound())
            {
                return plan.WithUnit(_shrinkOrder[i], changed);
            }
        }

        return null;
    }

    private static UnitPlan? ToGpu(UnitPlan unit) => unit.States == Tier.Cpu ? unit with { States = Tier.Gpu, Weights = Tier.Gpu } : null;

    private static UnitPlan? WithoutWeightsOnGpu(UnitPlan unit) => unit.Weights == Tier.Gpu && unit.States != Tier.Gpu ? unit with { Weights = Tier.Cpu } : null;

    private static UnitPlan? WithoutKept(UnitPlan unit) =>
        First(unit, ActivationPolicy.Keep) is int kept and >= 0 ? unit.WithActivation(kept, ActivationPolicy.Recompute) : null;

    private static UnitPlan? WithoutSwaps(UnitPlan unit) =>
        unit.Activations.Any(policy => policy is ActivationPolicy.SwapToCpu or ActivationPolicy.SwapToNvme)
            ? unit with { Activations = [.. unit.Activations.Select(policy => policy == ActivationPolicy.Keep ? policy : ActivationPolicy.Recompute)] }
            : null;

    private static int First(UnitPlan unit, ActivationPolicy policy)
    {
        for (int i = 0; i < unit.Activations.Count; i++)
        {
            if (unit.Activations[i] == policy)
            {
                return i;
            }
        }

        return -1;
    }
}
