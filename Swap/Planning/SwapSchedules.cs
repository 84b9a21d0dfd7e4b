using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>From plans to schedules.</summary>
public static class SwapSchedules
{
    /// <summary>One steady period of training.</summary>
    public static StepSchedule Train(Workload work, SwapPlan plan) => LayerMajorBuilder.Build(work, plan);
}
