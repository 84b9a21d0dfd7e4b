using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>
/// Plans as the published systems make them, for comparison: parameters and states on the drives, whatever the CPU memory. ZeRO-Infinity moves
/// the inputs of layers and computes the rest again; Fuyou also moves the activations that save most FLOPs per byte, as many as make the step
/// shorter (Fuyou 2024, LoHan 2024).
/// </summary>
internal static class PublishedPlans
{
    // The published rule stops when the step gets no shorter; less than this is not shorter, by what a profile is good for.
    private const double LeastGain = 1e-2;

    /// <summary>Whether an order is a published system's.</summary>
    public static bool IsPublished(StepOrder order) => order is StepOrder.Fuyou or StepOrder.ZeroInfinity;

    /// <summary>The space of the best micro-batch size; null: nothing fits.</summary>
    public static SearchSpace? FindBest(PlanRequest request)
    {
        SearchSpace? best = null;
        foreach (SearchSpace space in Planner.Spaces(request, PlanBudget.Of(request)))
        {
            foreach (SwapPlan plan in Amounts(space, request.Choices.Order))
            {
                space.Try(plan, LeastGain);
            }

            if (space.Best is { } found && (best is null || found.Seconds < best.Best!.Seconds * (1 - LeastGain)))
            {
                best = space;
            }
        }

        return best;
    }

    /// <summary>The plan that moves least.</summary>
    public static SwapPlan Least(Workload work, StepOrder order, UpdateMode update) => new()
    {
        Order = order,
        Update = update,
        IsDurable = true,
        Units =
        [
            .. work.Units.Select(unit => new UnitPlan
            {
                Weights = Tier.Nvme,
                States = Tier.Nvme,
                Input = Tier.Cpu,
                Activations = [.. unit.Activations.Select(_ => ActivationPolicy.Recompute)],
            }),
        ],
    };

    /// <summary>From the least amount up, layer by layer and activation by activation in the order of their benefit.</summary>
    private static IEnumerable<SwapPlan> Amounts(SearchSpace space, StepOrder order)
    {
        Workload work = space.Model.Reduced;
        SwapPlan plan = Least(work, order, space.Update);
        yield return plan;
        if (order != StepOrder.Fuyou || work.Units.Count < 3)
        {
            yield break;
        }

        foreach (int index in PlanMoves.ByBenefit(work.Units[1]))
        {
            foreach (int layer in PlanEdits.SpreadOrder(work.Units.Count - 2))
            {
                plan = plan.WithUnit(layer + 1, plan.Units[layer + 1].WithActivation(index, ActivationPolicy.SwapToCpu));
                yield return plan;
            }
        }
    }
}
