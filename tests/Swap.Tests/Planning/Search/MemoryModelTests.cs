using FsCheck.Xunit;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning.Search;

public sealed class MemoryModelTests
{
    [Property(MaxTest = 500)]
    public void Count_AnyPlan_IsWhatTheScheduleHas(int seed)
    {
        (Workload work, SwapPlan plan) = RandomPlan.Create(seed);
        StepSchedule schedule = SwapSchedules.Train(work, plan);

        TierBytes bytes = new MemoryModel(work).Count(plan);

        // Pages for norms, decision and the end of a step are counted whether or not a plan has them.
        Assert.InRange(schedule.SlotBytes(Tier.Cpu), bytes.Cpu - (4 * SlotSizes.PageBytes), bytes.Cpu);
        Assert.Equal(schedule.SlotBytes(Tier.Gpu) + work.WorkspaceBytes, bytes.Gpu);
        Assert.Equal(schedule.SlotBytes(Tier.Nvme), bytes.Nvme);
    }
}
