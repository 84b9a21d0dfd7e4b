using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning.Search;

/// <summary>The best of all plans of a small model, by trying each.</summary>
internal sealed class ExhaustiveSearch
{
    private static readonly (Tier Weights, Tier States)[] Places =
    [
        (Tier.Nvme, Tier.Nvme), (Tier.Cpu, Tier.Nvme), (Tier.Gpu, Tier.Nvme), (Tier.Cpu, Tier.Cpu), (Tier.Gpu, Tier.Cpu), (Tier.Gpu, Tier.Gpu),
    ];

    private readonly PlanRequest _request;
    private readonly Workload _work;
    private readonly MemoryModel _memory;
    private readonly PlanBudget _budget;
    private readonly PlanEvaluator _evaluator;

    private ExhaustiveSearch(PlanRequest request, Workload work)
    {
        _request = request;
        _work = work;
        _memory = new MemoryModel(work);
        _budget = PlanBudget.Of(request);
        _evaluator = new PlanEvaluator(new ReducedModel(work, int.MaxValue), request);
    }

    private PlanScore? Best { get; set; }

    private long NumFitting { get; set; }

    /// <summary>The shortest step of all plans that fit; infinite: none does.</summary>
    public static (double Seconds, long NumPlans, SwapPlan? Plan) Run(PlanRequest request, Workload work)
    {
        var search = new ExhaustiveSearch(request, work);
        foreach ((UpdateMode update, double share) in search.Modes())
        {
            for (int weightSlots = 1; weightSlots <= 2; weightSlots++)
            {
                for (int gradientSlots = 1; gradientSlots <= 2; gradientSlots++)
                {
                    search.Place(
                        new SwapPlan
                        {
                            Units = [],
                            Update = update,
                            DelayedShare = share,
                            IsDurable = false,
                            WeightSlots = weightSlots,
                            GradientSlots = gradientSlots,
                        },
                        []);
                }
            }
        }

        search.TrySlots();
        return (search.Best?.Seconds ?? double.PositiveInfinity, search.NumFitting, search.Best?.Plan);
    }

    private IEnumerable<(UpdateMode Update, double Share)> Modes()
    {
        double[] shares = [0, 0.25, 0.5, 0.75];
        UpdateMode underBackward = _request.Choices.IsClipped ? UpdateMode.Speculative : UpdateMode.Immediate;
        return [(UpdateMode.Deferred, 0), (UpdateMode.Separate, 0), .. shares.Select(share => (underBackward, share))];
    }

    private void Place(SwapPlan plan, UnitPlan[] units)
    {
        if (units.Length == _work.Units.Count)
        {
            Try(plan with { Units = units, IsDurable = units.Any(unit => unit.States == Tier.Nvme) });
            return;
        }

        UnitShape shape = _work.Units[units.Length];
        bool hasDrives = _request.NvmeBudgetBytes is not null;
        foreach ((Tier weights, Tier states) in Places)
        {
            if ((states == Tier.Nvme && !hasDrives) || (shape.NumParameters == 0 && states != Tier.Cpu))
            {
                continue;
            }

            foreach (Tier input in Inputs(shape, hasDrives))
            {
                foreach (ActivationPolicy[] policies in Policies(shape.Activations.Count, hasDrives))
                {
                    Place(plan, [.. units, new UnitPlan { Weights = weights, States = states, Input = input, Activations = policies }]);
                }
            }

            if (shape.NumParameters == 0)
            {
                // It has nothing to place.
                break;
            }
        }
    }

    private static Tier[] Inputs(UnitShape shape, bool hasDrives) => shape.Role != UnitRole.Layer ? [Tier.Cpu] : hasDrives ? [Tier.Gpu, Tier.Cpu, Tier.Nvme] : [Tier.Gpu, Tier.Cpu];

    private static IEnumerable<ActivationPolicy[]> Policies(int count, bool hasDrives)
    {
        if (count == 0)
        {
            return [[]];
        }

        ActivationPolicy[] all = hasDrives
            ? [ActivationPolicy.Recompute, ActivationPolicy.Keep, ActivationPolicy.SwapToCpu, ActivationPolicy.SwapToNvme]
            : [ActivationPolicy.Recompute, ActivationPolicy.Keep, ActivationPolicy.SwapToCpu];
        return Policies(count - 1, hasDrives).SelectMany(rest => all.Select(policy => (ActivationPolicy[])[.. rest, policy]));
    }

    /// <summary>Gradients wait in CPU memory, or, if that is too small, on the drives: those of as few units as make it fit, because the drives cost time.</summary>
    private void Try(SwapPlan plan)
    {
        if (TryAsItIs(plan) || _request.NvmeBudgetBytes is null)
        {
            return;
        }

        int[] waiting = [.. Enumerable.Range(0, plan.Units.Count).Where(i => _work.Units[i].NumParameters > 0 && plan.Units[i].States != Tier.Gpu)];
        var fitting = new List<int>();
        foreach (int set in Enumerable.Range(1, (1 << waiting.Length) - 1).OrderBy(set => int.PopCount(set)))
        {
            if (fitting.Exists(smaller => (smaller & set) == smaller))
            {
                continue;
            }

            UnitPlan[] units = [.. plan.Units];
            for (int i = 0; i < waiting.Length; i++)
            {
                units[waiting[i]] = (set >> i & 1) != 0 ? units[waiting[i]] with { Gradients = Tier.Nvme } : units[waiting[i]];
            }

            if (TryAsItIs(plan with { Units = units }))
            {
                fitting.Add(set);
            }
        }
    }

    /// <summary>All slot counts with the best of the other decisions: what they change is a matter of per cent, and each would multiply the plans by three.</summary>
    private void TrySlots()
    {
        if (Best?.Plan is not { } best)
        {
            return;
        }

        int[] few = [1, 2, 3];
        IEnumerable<SwapPlan> plans =
            from weights in few
            from gradients in few
            from activations in few
            from tiles in (int[])[1, 2, 3, 4, 6]
            from hostWeights in few
            from staging in few
            select best with
            {
                WeightSlots = weights,
                GradientSlots = gradients,
                ActivationSlots = activations,
                TileSlots = tiles,
                HostWeightSlots = hostWeights,
                StagingSlots = staging,
            };
        foreach (SwapPlan plan in plans)
        {
            _ = TryAsItIs(plan);
        }
    }

    /// <summary>Plays a plan if it fits.</summary>
    private bool TryAsItIs(SwapPlan plan)
    {
        TierBytes bytes = _memory.Count(plan);
        if (plan.Update == UpdateMode.Speculative)
        {
            bytes = bytes with { Nvme = bytes.Nvme + _memory.StoredBytes(plan) };
        }

        if (!_budget.Holds(bytes))
        {
            return false;
        }

        NumFitting++;
        double bound = Best?.Score ?? double.PositiveInfinity;
        if (_evaluator.Score(plan, bound) is { } score && score.Score < bound)
        {
            Best = score;
        }

        return true;
    }
}
