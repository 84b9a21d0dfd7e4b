using Offload.Swap.Planning.Costs;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Planning.Search;

/// <summary>Plays plans of a reduced model on the virtual clock. One thread.</summary>
internal sealed class PlanEvaluator
{
    // Weight of the lanes' work in the score: below what matters of a step's time, above what rounding leaves.
    private const double WorkWeight = 1e-3;

    // Writing wears the drives: it must save more than this part of the time that it takes.
    private const double WriteWeight = 2e-2;

    private static readonly int NumLanes = Enum.GetValues<Lane>().Length;

    private readonly ReducedModel _model;
    private readonly CostModel _costs;
    private readonly double _redoneFraction;
    private readonly Dictionary<string, PlanScore> _known = [];
    private readonly Dictionary<string, double> _leastOf = [];

    /// <param name="model">The model.</param>
    /// <param name="request">Machine and constants.</param>
    public PlanEvaluator(ReducedModel model, PlanRequest request)
    {
        _model = model;
        _redoneFraction = request.Costs.RedoneFraction;
        _costs = new CostModel(request.Hardware, model.Reduced, request.Costs);
    }

    /// <summary>Operations simulated so far: what a search costs, the same on every machine.</summary>
    public long NumSimulated { get; private set; }

    /// <summary>A plan's score.</summary>
    /// <param name="plan">Of the reduced model.</param>
    /// <param name="bound">A score that it must beat to be of interest.</param>
    /// <returns>null: it cannot be built with its slots, or cannot beat the bound.</returns>
    public PlanScore? Score(SwapPlan plan, double bound)
    {
        string key = PlanKey.Of(plan);
        if (_known.TryGetValue(key, out PlanScore? known))
        {
            return known;
        }

        if (_leastOf.TryGetValue(key, out double least) && least >= bound)
        {
            return null;
        }

        PlanScore? score = Simulate(plan, key, bound);
        if (score is not null)
        {
            _known.Add(key, score);
        }

        return score;
    }

    private PlanScore? Simulate(SwapPlan plan, string key, double bound)
    {
        StepSchedule schedule;
        try
        {
            schedule = SwapSchedules.Train(_model.Reduced, plan);
        }
        catch (PlanInfeasibleException)
        {
            // Too few slots for this order of work.
            _leastOf[key] = double.PositiveInfinity;
            return null;
        }

        Span<double> alone = stackalloc double[NumLanes];
        foreach (ref readonly Operation operation in schedule.OperationSpan)
        {
            alone[(int)operation.Lane] += _costs.CostOf(operation).Seconds * (operation.Guard == Guard.None ? 1 : _redoneFraction);
        }

        NumSimulated += schedule.Operations.Count;
        double busiest = 0;
        double work = 0;
        for (int lane = 0; lane < NumLanes; lane++)
        {
            busiest = Math.Max(busiest, alone[lane]);
            work += alone[lane] * (lane == (int)Lane.SsdWrite ? WriteWeight : WorkWeight);
        }

        // No step is shorter than its busiest lane; that settles most plans without playing them.
        double atLeast = (busiest + work) * _model.Scale;
        if (atLeast >= bound)
        {
            _leastOf[key] = atLeast;
            return null;
        }

        NumSimulated += CostModel.NumPeriods(schedule) * schedule.Operations.Count;
        SimulationResult result = _costs.Simulate(schedule);
        return new PlanScore(plan, result.PeriodSeconds * _model.Scale, (result.PeriodSeconds + work) * _model.Scale);
    }
}
