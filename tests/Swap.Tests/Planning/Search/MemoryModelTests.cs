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
        Assert.True(
            schedule.SlotBytes(Tier.Gpu) + work.WorkspaceBytes == bytes.Gpu && schedule.SlotBytes(Tier.Nvme) == bytes.Nvme,
            $"counted {bytes}, found on the GPU {schedule.SlotBytes(Tier.Gpu) + work.WorkspaceBytes}, on the drives {schedule.SlotBytes(Tier.Nvme)}: "
                + string.Join(", ", schedule.Slots.Select(slot => $"{slot.Name} {slot.Tier} {slot.SizeBytes / SlotSizes.PageBytes}")));
    }
}
