using Offload.Profiles;
using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>Finds the plan with the shortest predicted step that fits the budgets: always the same one for the same request. Any thread.</summary>
public static class Planner
{
    // Simulated operations of a search: about a second on one core of 2020.
    private const long MaxSimulated = 1_000_000;

    // Spaces that are searched beyond their seeds.
    private const int NumClimbs = 3;

    // Part of a step's time that a model which fits on the GPU may lose by staying there.
    private const double MostLostToStay = 0.015;

    // Micro-batch sizes that are looked at: their steps differ by little, their memory by much.
    private const int MaxMicroBatchSizes = 6;

    /// <summary>Plans a step.</summary>
    /// <exception cref="UsageException">The request contradicts itself: a micro-batch that does not divide the step, a mode that its order does not have.</exception>
    public static PlanResult Plan(PlanRequest request)
    {
        RequireSound(request);
        if (FindBest(request) is not { } best)
        {
            return Infeasibility.Explain(request);
        }

        PlannedStep? found = PlanReport.Finish(request, best);
        if (best.Best!.Plan.IsDurable && request.Choices is { States: null, IsDurable: not true } && !PublishedPlans.IsPublished(request.Choices.Order))
        {
            // What drives hide in the small model they need not in the whole one: a plan without them is kept if its whole step is no longer.
            PlanRequest inMemory = request with { Choices = request.Choices with { KeepsStatesOffDrives = true } };
            PlannedStep? other = FindBest(inMemory) is { } space ? PlanReport.Finish(inMemory, space) : null;
            found = other is not null && (found is null || other.Predicted.StepSeconds <= found.Predicted.StepSeconds) ? other : found;
        }

        return found is { } step
            ? new PlanResult { Step = step, Reasons = PlanReport.Notes(request, step) }
            : Infeasibility.Explain(request);
    }

    /// <summary>What a given plan is predicted to do; <see cref="PlanResult.Shortfalls"/> says where it does not fit.</summary>
    /// <param name="request">Machine, model, budgets.</param>
    /// <param name="plan">Of the whole model.</param>
    /// <param name="microBatchSequences">Sequences of a micro-batch.</param>
    /// <exception cref="PlanInfeasibleException">The plan contradicts itself or is another model's.</exception>
    public static PlanResult Evaluate(PlanRequest request, SwapPlan plan, int microBatchSequences)
    {
        RequireSound(request with { Choices = request.Choices with { MicroBatchSequences = microBatchSequences } });
        Workload work = WorkloadOf(request, microBatchSequences);
        PlannedStep step = PlanReport.Of(request, work, plan, microBatchSequences);
        IReadOnlyList<PlanShortfall> shortfalls = Infeasibility.Shortfalls(request, step.Memory);
        return shortfalls.Count == 0
            ? new PlanResult { Step = step, Reasons = PlanReport.Notes(request, step) }
            : new PlanResult { Shortfalls = shortfalls, Reasons = [.. shortfalls.Select(Infeasibility.Describe)] };
    }

    /// <summary>The model cut for a step.</summary>
    internal static Workload WorkloadOf(PlanRequest request, int microBatchSequences) =>
        request.WorkloadOf(microBatchSequences) with { NumMicroBatches = request.SequencesPerStep / microBatchSequences };

    /// <summary>All spaces that a request leaves open, each with its seeds tried.</summary>
    internal static IEnumerable<SearchSpace> Spaces(PlanRequest request, PlanBudget budget)
    {
        foreach (int size in MicroBatchSizes(request))
        {
            foreach (UpdateMode update in UpdateModes(request.Choices))
            {
                yield return new SearchSpace(request, size, update, budget);
            }
        }
    }

    private static SearchSpace? FindBest(PlanRequest request)
    {
        if (PublishedPlans.IsPublished(request.Choices.Order))
        {
            return PublishedPlans.FindBest(request);
        }

        var found = new List<SearchSpace>();
        foreach (SearchSpace space in Spaces(request, PlanBudget.Of(request)))
        {
            foreach (SwapPlan seed in SearchSpace.Seeds(space.Model.Reduced, request.Choices, space.Update))
            {
                space.Try(seed);
            }

            if (space.Best is not null)
            {
                found.Add(space);
            }
        }

        // Stable: of equals the larger micro-batch, which comes first, has fewer operations to start.
        SearchSpace[] promising = [.. found.OrderBy(space => space.Best!.Score).Take(NumClimbs)];
        long left = MaxSimulated;
        for (int i = 0; i < promising.Length; i++)
        {
            long before = promising[i].NumSimulated;
            promising[i].Climb(request.Choices, before + (left / (promising.Length - i)));
            left -= promising[i].NumSimulated - before;
        }

        SearchSpace? best = promising.MinBy(space => space.Best!.Score);
        if (best is null)
        {
            return null;
        }

        // The CPU may update a little faster than the GPU does beside its other work; that is not worth moving everything twice a step.
        foreach (SearchSpace space in found)
        {
            if (space.Resident(request.Choices) is { } score && score.Seconds <= best.Best!.Seconds * (1 + MostLostToStay))
            {
                space.Prefer(score);
                return space;
            }
        }

        return best;
    }

    private static IEnumerable<int> MicroBatchSizes(PlanRequest request)
    {
        if (request.Choices.MicroBatchSequences is { } size)
        {
            return [size];
        }

        int[] divisors = [.. Enumerable.Range(1, request.SequencesPerStep).Where(divisor => request.SequencesPerStep % divisor == 0)];
        if (divisors.Length <= MaxMicroBatchSizes)
        {
            return divisors.Reverse();
        }

        // Evenly over the list: the smallest, the largest, and some between.
        return Enumerable.Range(0, MaxMicroBatchSizes).Select(i => divisors[i * (divisors.Length - 1) / (MaxMicroBatchSizes - 1)]).Reverse();
    }

    private static IEnumerable<UpdateMode> UpdateModes(PlanChoices choices) => choices switch
    {
        { Order: StepOrder.ZeroInfinity } => [UpdateMode.Separate],
        { Update: { } update } => [update],
        { Order: StepOrder.Fuyou } => [choices.IsClipped || !choices.StopsOnNan ? UpdateMode.Separate : UpdateMode.Immediate],
        { IsClipped: true } => [UpdateMode.Deferred, UpdateMode.Speculative, UpdateMode.Separate],
        { StopsOnNan: true } => [UpdateMode.Immediate, UpdateMode.Deferred, UpdateMode.Separate],
        _ => [UpdateMode.Deferred, UpdateMode.Speculative, UpdateMode.Separate],
    };

    private static void RequireSound(PlanRequest request)
    {
        PlanChoices choices = request.Choices;
        Require(request.SequencesPerStep > 0, $"a step of {request.SequencesPerStep} sequences", "--tokens-per-step must be a multiple of --seq-len");
        Require(
            choices.MicroBatchSequences is not { } size || (size > 0 && request.SequencesPerStep % size == 0),
            $"a step of {request.SequencesPerStep} sequences in micro-batches of {choices.MicroBatchSequences}", "--micro-batch must divide the sequences of a step");
        Require(choices.Update != UpdateMode.Immediate || !choices.IsClipped, "immediate updates with clipping by the global norm", "--max-grad-norm 0, or another update mode");
        Require(request.NvmeBudgetBytes is null || request.Hardware.Ssd is not null, $"hardware profile '{request.Hardware.Name}' has no drives, but a store on drives is asked for", "give the profile ssd rates, or leave out --nvme");
        Require(choices.States != Tier.Nvme || request.NvmeBudgetBytes is not null, "states on drives, but there are none", "--nvme DIR names them");
        Require(
            !PublishedPlans.IsPublished(choices.Order) || request.NvmeBudgetBytes is not null,
            $"order {choices.Order} keeps weights and states on drives, but there are none", "--nvme DIR names them, or take another --schedule");
    }

    private static void Require(bool holds, string message, string hint)
    {
        if (!holds)
        {
            throw new UsageException(message, hint);
        }
    }
}
