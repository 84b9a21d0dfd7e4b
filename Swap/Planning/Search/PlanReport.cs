using Offload.Profiles;
using Offload.Swap.Planning.Costs;
using Offload.Swap.Schedules;
using Offload.Swap.Simulation;

namespace Offload.Swap.Planning.Search;

/// <summary>Plans of the whole model, and all that is said of them.</summary>
internal static class PlanReport
{
    /// <summary>A search's best plan for the whole model, counted on its schedule; null: it does not fit after all.</summary>
    public static PlannedStep? Finish(PlanRequest request, SearchSpace space)
    {
        PlanBudget budget = PlanBudget.Of(request);
        PlanBudget aim = budget;
        SwapPlan plan = space.Model.Expand(space.Best!.Plan);
        var whole = new ReducedModel(space.Work, int.MaxValue);

        // The search counts by arithmetic; where the schedule has more, the plan is made that much smaller.
        for (int attempt = 0; attempt < 4; attempt++)
        {
            if (new PlanFitter(whole, request.Choices, aim).Fit(plan, out _) is not { } fitting)
            {
                return null;
            }

            StepSchedule schedule = SwapSchedules.Train(space.Work, fitting);
            TierBytes slots = SlotBytes(space.Work, fitting, schedule, LeastGenerations(fitting));
            if (budget.Holds(slots))
            {
                return Of(request, space.Work, fitting, space.MicroBatchSequences, schedule);
            }

            aim = new PlanBudget(
                aim.Gpu - Math.Max(0, slots.Gpu - budget.Gpu), aim.Cpu - Math.Max(0, slots.Cpu - budget.Cpu), aim.Nvme - Math.Max(0, slots.Nvme - budget.Nvme));
        }

        return null;
    }

    /// <summary>A plan's step.</summary>
    public static PlannedStep Of(PlanRequest request, Workload work, SwapPlan plan, int microBatchSequences) =>
        Of(request, work, plan, microBatchSequences, SwapSchedules.Train(work, plan));

    /// <summary>What the reader of a plan should know.</summary>
    public static IReadOnlyList<string> Notes(PlanRequest request, PlannedStep step)
    {
        var notes = new List<string>();
        if (step.StoreGenerations == 1)
        {
            notes.Add("the drives have room for one generation of states only: a step that is interrupted while it writes cannot be undone");
        }

        if (step.Plan.Update == UpdateMode.Immediate)
        {
            notes.Add("updates are immediate: a NaN or an infinity stops the run, because it is found after units were updated");
        }

        if (request.NvmeBudgetBytes is not null && !step.Plan.IsDurable)
        {
            notes.Add("all states are in memory: nothing is written to the drives in a step");
        }

        return notes;
    }

    private static PlannedStep Of(PlanRequest request, Workload work, SwapPlan plan, int microBatchSequences, StepSchedule schedule)
    {
        int generations = Generations(request, work, plan, schedule);
        TierBytes slots = SlotBytes(work, plan, schedule, generations);
        return new PlannedStep
        {
            Plan = plan,
            Work = work,
            MicroBatchSequences = microBatchSequences,
            StoreGenerations = generations,
            Memory = slots with { Cpu = slots.Cpu + request.CpuBesideBytes },
            Predicted = Predict(request, work, schedule),
        };
    }

    private static PredictedStep Predict(PlanRequest request, Workload work, StepSchedule schedule)
    {
        var costs = new CostModel(request.Hardware, work, request.Costs);
        SimulationResult result = costs.Simulate(schedule);
        double seconds = result.PeriodSeconds;
        double tokens = (double)request.SequencesPerStep * request.SequenceTokens;
        long BytesOf(Lane lane) => (long)schedule.Operations.Where(operation => operation.Lane == lane)
            .Sum(operation => operation.Amount * (operation.Guard == Guard.IfRedone ? request.Costs.RedoneFraction : 1));
        long writtenBytes = BytesOf(Lane.SsdWrite);
        return new PredictedStep
        {
            StepSeconds = seconds,
            Lanes = [.. Enum.GetValues<Lane>().Where(lane => schedule.Operations.Any(operation => operation.Lane == lane)).Select(lane => LaneOf(result, lane))],
            Bottleneck = result.Bottleneck,
            TokensPerSecond = tokens / seconds,
            ModelTflops = request.Model.FlopsPerToken(request.SequenceTokens) * tokens / seconds / 1e12,
            HardwareTflops = schedule.Operations.Sum(operation => operation.Flops + operation.AttentionFlops) / seconds / 1e12,
            SsdReadBytes = BytesOf(Lane.SsdRead),
            SsdWrittenBytes = writtenBytes,
            DriveLifeDays = request.Hardware.Ssd?.Tbw is { } rating ? new DriveEndurance(rating).LifeDays(writtenBytes, seconds) : null,
        };
    }

    private static PredictedLane LaneOf(SimulationResult result, Lane lane) => new(
        lane,
        result.BusySeconds(lane),
        Enum.GetValues<Lane>().Select(other => (Lane: other, Seconds: result.IdleSeconds(lane, other))).Where(idle => idle.Seconds > 0)
            .ToDictionary(idle => idle.Lane, idle => idle.Seconds));

    private static TierBytes SlotBytes(Workload work, SwapPlan plan, StepSchedule schedule, int generations) => new(
        schedule.SlotBytes(Tier.Gpu) + work.WorkspaceBytes,
        schedule.SlotBytes(Tier.Cpu),
        schedule.SlotBytes(Tier.Nvme) + (Math.Max(0, generations - 1) * new MemoryModel(work).StoredBytes(plan)));

    private static int LeastGenerations(SwapPlan plan) => !plan.IsDurable ? 0 : plan.Update == UpdateMode.Speculative ? 2 : 1;

    private static int Generations(PlanRequest request, Workload work, SwapPlan plan, StepSchedule schedule)
    {
        int least = LeastGenerations(plan);
        return least == 1 && SlotBytes(work, plan, schedule, 2).Nvme <= (request.NvmeBudgetBytes ?? 0) ? 2 : least;
    }
}
