using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>Plans next to a plan: a tier, a policy, a slot count otherwise. They need not fit.</summary>
internal sealed class PlanMoves
{
    /// <summary>Up to so many units each pair may trade places; with more units what differs is how many, not which.</summary>
    public const int MaxUnitsForTrades = 6;

    private static readonly (Tier Weights, Tier States)[] Places =
    [
        (Tier.Nvme, Tier.Nvme), (Tier.Cpu, Tier.Nvme), (Tier.Gpu, Tier.Nvme), (Tier.Cpu, Tier.Cpu), (Tier.Gpu, Tier.Cpu), (Tier.Gpu, Tier.Gpu),
    ];

    // A quarter and a third: the forward's share of compute when all is computed again, and when nothing is. Updates then last as long under the
    // forward as under the backward; where those are not the longest, others are better.
    private static readonly double[] DelayedShares = [0, 0.125, 0.25, 0.34, 0.5, 0.75];

    private readonly Workload _work;
    private readonly bool _hasDrives;
    private readonly int[] _layers;
    private readonly int[] _byBenefit;

    /// <param name="work">The reduced model.</param>
    /// <param name="choices">What is fixed.</param>
    /// <param name="hasDrives">Tiers and policies may use them.</param>
    public PlanMoves(Workload work, PlanChoices choices, bool hasDrives)
    {
        _work = work;
        _hasDrives = hasDrives;
        Choices = choices;
        _layers = [.. PlanEdits.SpreadOrder(work.Units.Count - 2).Select(layer => layer + 1)];
        _byBenefit = _layers.Length == 0 ? [] : ByBenefit(work.Units[_layers[0]]);
    }

    private PlanChoices Choices { get; }

    /// <summary>A layer's activations, those first whose recomputation is saved with the fewest bytes (Fuyou's rule).</summary>
    public static int[] ByBenefit(UnitShape layer) =>
    [
        .. Enumerable.Range(0, layer.Activations.Count).OrderByDescending(
            i => (layer.Activations[i].RecomputeFlops + layer.Activations[i].RecomputeAttentionFlops) / Math.Max(1, layer.Activations[i].SizeBytes)),
    ];

    /// <summary>All neighbours, the most promising kinds first.</summary>
    public IEnumerable<SwapPlan> Around(SwapPlan plan) =>
        Placed(plan).Concat(Activations(plan)).Concat(Inputs(plan)).Concat(Slots(plan)).Concat(Gradients(plan)).Concat(Trades(plan));

    private IEnumerable<SwapPlan> Activations(SwapPlan plan)
    {
        foreach (int index in _byBenefit)
        {
            foreach (ActivationPolicy policy in Policies())
            {
                foreach (SwapPlan next in OnLayers(
                    plan,
                    unit => index < unit.Activations.Count && unit.Activations[index] != policy,
                    unit => unit.WithActivation(index, policy)))
                {
                    yield return next;
                }
            }
        }
    }

    private IEnumerable<ActivationPolicy> Policies()
    {
        yield return ActivationPolicy.Keep;
        yield return ActivationPolicy.SwapToCpu;
        yield return ActivationPolicy.Recompute;
        if (_hasDrives)
        {
            yield return ActivationPolicy.SwapToNvme;
        }
    }

    private IEnumerable<SwapPlan> Inputs(SwapPlan plan)
    {
        foreach (Tier tier in Tiers())
        {
            foreach (SwapPlan next in OnLayers(plan, unit => unit.Input != tier, unit => unit with { Input = tier }))
            {
                yield return next;
            }
        }
    }

    private IEnumerable<Tier> Tiers() => _hasDrives ? [Tier.Gpu, Tier.Cpu, Tier.Nvme] : [Tier.Gpu, Tier.Cpu];

    private IEnumerable<SwapPlan> Placed(SwapPlan plan)
    {
        foreach ((Tier weights, Tier states) in Places)
        {
            if ((states == Tier.Nvme && (!_hasDrives || Choices.KeepsStatesOffDrives)) || (Choices.States is { } pinned && states != pinned))
            {
                continue;
            }

            bool IsOther(UnitPlan unit) => unit.Weights != weights || unit.States != states;
            UnitPlan Moved(UnitPlan unit) => unit with { Weights = weights, States = states };
            foreach (SwapPlan next in OnLayers(plan, IsOther, Moved))
            {
                yield return next;
            }

            foreach (int index in new[] { 0, _work.Units.Count - 1 })
            {
                if (IsOther(plan.Units[index]))
                {
                    yield return plan.WithUnit(index, Moved(plan.Units[index]));
                }
            }
        }
    }

    private IEnumerable<SwapPlan> Gradients(SwapPlan plan)
    {
        for (int index = 0; _hasDrives && index < plan.Units.Count; index++)
        {
            UnitPlan unit = plan.Units[index];
            if (unit.States != Tier.Gpu)
            {
                yield return plan.WithUnit(index, unit with { Gradients = unit.Gradients == Tier.Cpu ? Tier.Nvme : Tier.Cpu });
            }
        }
    }

    private static IEnumerable<SwapPlan> Slots(SwapPlan plan)
    {
        foreach (int change in new[] { 1, -1 })
        {
            yield return plan with { WeightSlots = Between(plan.WeightSlots + change, 3) };
            yield return plan with { GradientSlots = Between(plan.GradientSlots + change, 3) };
            yield return plan with { ActivationSlots = Between(plan.ActivationSlots + change, 4) };
            yield return plan with { TileSlots = Between(plan.TileSlots + change, 6) };
            yield return plan with { HostWeightSlots = Between(plan.HostWeightSlots + change, 4) };
            yield return plan with { StagingSlots = Between(plan.StagingSlots + change, 4) };
            yield return plan with { GradientStagingSlots = Between(plan.GradientStagingSlots + change, 4) };
        }

        if (plan.Update is UpdateMode.Immediate or UpdateMode.Speculative)
        {
            foreach (double share in DelayedShares)
            {
                yield return plan with { DelayedShare = share };

                // Gradients of two layers are then on the GPU more often.
                yield return plan with { DelayedShare = share, GradientSlots = Between(plan.GradientSlots + 1, 3) };
            }
        }
    }

    private IEnumerable<SwapPlan> Trades(SwapPlan plan)
    {
        int count = plan.Units.Count <= MaxUnitsForTrades ? plan.Units.Count : 0;
        for (int i = 0; i < count; i++)
        {
            for (int j = i + 1; j < count; j++)
            {
                UnitPlan one = plan.Units[i];
                UnitPlan other = plan.Units[j];
                if (one.Weights != other.Weights || one.States != other.States)
                {
                    yield return plan.WithUnit(i, one with { Weights = other.Weights, States = other.States })
                        .WithUnit(j, other with { Weights = one.Weights, States = one.States });
                }

                bool areLayers = _work.Units[i].Role == UnitRole.Layer && _work.Units[j].Role == UnitRole.Layer;
                if (areLayers && !one.Activations.SequenceEqual(other.Activations))
                {
                    yield return plan.WithUnit(i, one with { Activations = other.Activations }).WithUnit(j, other with { Activations = one.Activations });
                }

                if (areLayers && one.Input != other.Input)
                {
                    yield return plan.WithUnit(i, one with { Input = other.Input }).WithUnit(j, other with { Input = one.Input });
                }
            }
        }
    }

    /// <summary>The change on all layers that lack it, on half of them, on the first one; where which one matters, on each.</summary>
    private IEnumerable<SwapPlan> OnLayers(SwapPlan plan, Func<UnitPlan, bool> lacks, Func<UnitPlan, UnitPlan> change)
    {
        int[] lacking = [.. _layers.Where(index => lacks(plan.Units[index]))];
        int last = -1;
        foreach (int count in new[] { lacking.Length, (lacking.Length + 1) / 2, 1 })
        {
            if (count > 0 && count != last)
            {
                UnitPlan[] units = [.. plan.Units];
                foreach (int index in lacking.Take(count))
                {
                    units[index] = change(units[index]);
                }

                yield return plan with { Units = units };
            }

            last = count;
        }

        for (int i = 1; plan.Units.Count <= MaxUnitsForTrades && i < lacking.Length; i++)
        {
            yield return plan.WithUnit(lacking[i], change(plan.Units[lacking[i]]));
        }
    }

    private static int Between(int count, int most) => Math.Clamp(count, 1, most);
}
