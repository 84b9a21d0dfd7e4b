using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>The plans of one micro-batch size and one update mode, and the best of them so far. One thread.</summary>
internal sealed class SearchSpace
{
    // A neighbour must save this part of the score to be worth a move: the model is no better than that, and walks end.
    private const double LeastGain = 5e-4;

    private readonly PlanEvaluator _evaluator;
    private readonly PlanMoves _moves;

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
        yield return choices.States == Tier.Nvme
            ? All(Tier.Gpu, Tier.Nvme, Tier.Gpu, ActivationPolicy.Keep)
            : All(Tier.Gpu, Tier.Gpu, Tier.Gpu, ActivationPolicy.Keep);
    }

    /// <summary>Takes a plan if it fits and is better than the best.</summary>
    /// <returns>Whether it was taken.</returns>
    public bool Try(SwapPlan plan) => Try(plan, LeastGain);

    /// <summary>The same, with another idea of better.</summary>
    /// <param name="plan">Need not fit.</param>
    /// <param name="leastGain">Part of the best score that it must save.</param>
    public bool Try(SwapPlan plan, double leastGain)
    {
        double bound = Best is null ? double.PositiveInfinity : Best.Score * (1 - leastGain);
        if (Fitter.Fit(plan, out _) is not { } fitting || _evaluator.Score(fitting, bound) is not { } score || score.Score >= bound)
        {
            return false;
        }

        Best = score;
        return true;
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

    /// <summary>Goes from the best plan to a better neighbour until there is none, or too much was simulated.</summary>
    /// <param name="maxSimulated">Of <see cref="NumSimulated"/>.</param>
    public void Climb(long maxSimulated)
    {
        while (Best is not null && NumSimulated < maxSimulated && _moves.Around(Best.Plan).TakeWhile(_ => NumSimulated < maxSimulated).Any(Try))
        {
        }
    }
}
