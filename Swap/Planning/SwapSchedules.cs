using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// The schedules of a plan. Slots of theirs that are persistent have the same name and size in all of them and stand for the same value.
/// Stateless; any thread.
/// </summary>
public static class SwapSchedules
{
    /// <summary>One period of training: a step, with what it leaves to the next one.</summary>
    /// <exception cref="PlanInfeasibleException">The plan contradicts itself, its order of work, or the step.</exception>
    public static StepSchedule Train(Workload work, SwapPlan plan)
    {
        plan.Validate(work);
        return TrainBuilder.Build(work, plan);
    }

    /// <summary>What a step has left to the next one, when none comes: delayed updates, and the commit. Empty if the plan delays nothing.</summary>
    /// <exception cref="PlanInfeasibleException">The plan contradicts itself, its order of work, or the step.</exception>
    public static StepSchedule Drain(Workload work, SwapPlan plan)
    {
        plan.Validate(work);
        var emit = StepEmitter.ForTraining(work, plan);
        for (int unit = 0; unit < work.Units.Count; unit++)
        {
            emit.Updates.All(unit, UpdateTurn.OfStepBefore);
        }

        if (emit.Delayed.HasAny)
        {
            emit.Updates.Commit(isDelayed: true);
        }

        return emit.Build();
    }

    /// <summary>The loss of as many micro-batches as a step has, with weights that are up to date; nothing is saved or updated.</summary>
    /// <exception cref="PlanInfeasibleException">The plan contradicts itself, its order of work, or the step.</exception>
    public static StepSchedule Forward(Workload work, SwapPlan plan)
    {
        plan.Validate(work);
        return ForwardBuilder.Build(work, plan);
    }
}
