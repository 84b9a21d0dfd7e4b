using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>The plans of one micro-batch size and one update mode, and the best of them so far. One thread.</summary>
internal sealed class SearchSpace
{
    // A neighbour must save this part of the score to be worth a move: the model is no better than that, and walks end.
    private const double LeastGain = 5e-4;

    private static readonly double[] StartShares = [0, 0.25, 0.34, 0.5];

    private readonly PlanEvaluator _evaluator;
    private readonly PlanMoves _moves;
    private readonly PlanFitter _sparing;

    /// <param name="request">What is planned.</param>
    /// <param name="microBatchSequences">Sequences of a micro-batch.</param>
    /// <param name="update">When units are updated.</param>
    /// <param name="budget">Room.</param>
    public SearchSpace(PlanRequest request, int microBatchSequences, UpdateMode update, PlanBudget budget)
    {
        MicroBatchSequences = microBatchSequences;
        Update = update;
        Work = request.WorkloadOf(microBatchSequences) with { NumMicroBatches = request.SequencesPerStep / microBatchSequences };
        Model = new ReducedModel(Work);
        Fitter = new PlanFitter(Model, request.Choices, budget);
        _sparing = new PlanFitter(Model, request.Choices, budget, sparesFirst: true);
        _evaluator = new PlanEvaluator(Model, request);
        _moves = new PlanMoves(Model.Reduced, request.Choices, Fitter.HasDrives);
    }

    /// <summary>Sequences of a micro-batch.</summary>
    public int MicroBatchSequences { get; }

    /// <summary>When units are updated.</summary>
    public UpdateMode Update { get; }

    /// <summary>The whole model.</summary>
    public Workload Work { get; }

    /// <summary>The model that is searched.</summary>
    public ReducedModel Model { get; }

    /// <summary>Makes plans fit.</summary>
    public PlanFitter Fitter { get; }

    /// <summary>The best plan so far; null: none fits.</summary>
    public PlanScore? Best { get; private set; }

    /// <summary>Operations simulated so far.</summary>
    public long NumSimulated => _evaluator.NumSimulated;

    /// <summary>Where a search begins: all on the GPU; all in CPU memory; the same with activations kept. What is too much is moved on.</summary>
    public static IEnumerable<SwapPlan> Seeds(Workload work, PlanChoices choices, UpdateMode update)
    {
        SwapPlan All(Tier weights, Tier states, Tier input, ActivationPolicy policy) => new()
        {
            Order = choices.Order,
            Update = update,
            IsDurable = false,
            Units =
            [
                .. work.Units.Select(unit => new UnitPlan
                {
                    Weights = weights,
                    States = states,
                    Input = input,
                    Activations = [.. unit.Activations.Select(_ => policy)],
                }),
            ],
        };
        Tier host = choices.States ?? Tier.Cpu;
        yield return All(Tier.Cpu, host, Tier.Cpu, ActivationPolicy.Recompute);
        yield return All(Tier.Cpu, host, Tier.Gpu, ActivationPolicy.Keep);
        yield return All(Tier.Gpu, choices.States ?? Tier.Gpu, Tier.Gpu, ActivationPolicy.Keep);
    }

    /// <summary>Takes a plan if it fits and is better than the best.</summary>
    /// <param name="plan">Need not fit.</param>
    /// <param name="leastGain">Part of the best score that it must save.</param>
    public void Try(SwapPlan plan, double leastGain = LeastGain)
    {
        double bound = Best is null ? double.PositiveInfinity : Best.Score * (1 - leastGain);
        Best = Better(plan, bound) ?? Best;
    }

    /// <summary>The plan that has all on the GPU and moves nothing, if it fits.</summary>
    /// <param name="choices">What is fixed.</param>
    public PlanScore? Resident(PlanChoices choices)
    {
        SwapPlan seed = Seeds(Model.Reduced, choices, Update).Last();
        return Fitter.Fit(seed, out _) is { } fitting && fitting.Units.All(unit => unit.States == Tier.Gpu && unit.Input == Tier.Gpu)
            ? _evaluator.Score(fitting, double.PositiveInfinity)
            : null;
    }

    /// <summary>Makes a plan the best one.</summary>
    public void Prefer(PlanScore score) => Best = score;

    /// <summary>Goes from the best plan, and then from others, to a better neighbour until there is none, or too much was simulated.</summary>
    /// <param name="choices">What is fixed.</param>
    /// <param name="maxSimulated">Of <see cref="NumSimulated"/>.</param>
    public void Climb(PlanChoices choices, long maxSimulated)
    {
        if (Best is null)
        {
            return;
        }

        Best = Walk(Best, maxSimulated);
        foreach (SwapPlan start in Starts(choices))
        {
            if (NumSimulated >= maxSimulated)
            {
                return;
            }

            // However bad it is, a walk from there may end elsewhere.
            if (Better(start, double.PositiveInfinity) is { } score)
            {
                PlanScore end = Walk(score, maxSimulated);
                Best = end.Score < Best!.Score ? end : Best;
            }
        }
    }

    /// <summary>The seeds with one slot instead of two, and with updates that are delayed.</summary>
    private IEnumerable<SwapPlan> Starts(PlanChoices choices)
    {
        bool canDelay = Update is UpdateMode.Immediate or UpdateMode.Speculative;
        foreach (double share in canDelay ? StartShares : [0])
        {
            foreach (int numSlots in new[] { 1, 2 })
            {
                foreach (SwapPlan seed in Seeds(Model.Reduced, choices, Update))
                {
                    yield return seed with { WeightSlots = numSlots, GradientSlots = numSlots, DelayedShare = share };
                }
            }
        }
    }

    private PlanScore Walk(PlanScore from, long maxSimulated)
    {
        PlanScore best = from;
        PlanScore? next = from;
        while (next is not null)
        {
            best = next;
            next = null;
            foreach (SwapPlan neighbour in _moves.Around(best.Plan))
            {
                next = Better(neighbour, best.Score * (1 - LeastGain));
                if (next is not null || NumSimulated >= maxSimulated)
                {
                    break;
                }
            }
        }

        return best;
    }

    /// <summary>The plan made to fit, if that is better than a score: what is too much taken from here or there.</summary>
    private PlanScore? Better(SwapPlan plan, double bound)
    {
        PlanScore? found = Better(Fitter, plan, bound, out bool isChanged);

        // One that had to be changed may be better changed otherwise.
        return isChanged ? Better(_sparing, plan, found?.Score ?? bound, out _) ?? found : found;
    }

    /// <summary>Filled up, and where a plan is small also as it is.</summary>
    private PlanScore? Better(PlanFitter fitter, SwapPlan plan, double bound, out bool isChanged)
    {
        SwapPlan? filled = fitter.Fit(plan, out SwapPlan fitting);
        isChanged = !fitting.Units.SequenceEqual(plan.Units);
        if (filled is null)
        {
            return null;
        }

        PlanScore? found = Below(filled, bound);
        bool isOther = plan.Units.Count <= PlanMoves.MaxUnitsForTrades && !fitting.Units.SequenceEqual(filled.Units);
        return isOther ? Below(fitting, found?.Score ?? bound) ?? found : found;
    }

    private PlanScore? Below(SwapPlan plan, double bound) => _evaluator.Score(plan, bound) is { } score && score.Score < bound ? score : null;
}
