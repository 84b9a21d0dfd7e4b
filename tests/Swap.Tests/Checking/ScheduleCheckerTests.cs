using FsCheck.Xunit;
using Offload.Swap.Checking;
using Offload.Swap.Schedules;
using Offload.Swap.Tests.Schedules;

namespace Offload.Swap.Tests.Checking;

public sealed class ScheduleCheckerTests
{
    [Property(MaxTest = 300)]
    public void FindProblem_AnyProgram_IsProven(int seed) => Assert.Null(ScheduleChecker.FindProblem(RandomSchedule.Create(seed), _ => long.MaxValue));

    [Fact]
    public void FindProblem_SlotsBeyondTheBudget_NamesTheTier()
    {
        var builder = new ScheduleBuilder();
        builder.AddSlot("weights 0", Tier.Gpu, 60);
        builder.AddSlot("weights 1", Tier.Gpu, 60);

        string? problem = ScheduleChecker.FindProblem(builder.Build(), tier => tier == Tier.Gpu ? 119 : 0);

        Assert.Equal("Gpu: slots of 120 bytes, budget 119", problem);
    }

    [Fact]
    public void FindProblem_UseOfWhatIsNotLoaded_NamesOperationAndSlot()
    {
        var builder = new ScheduleBuilder();
        int slot = builder.AddSlot("weights 0", Tier.Gpu, 1);
        builder.Add(Make(OperationKind.LoadWeights, 3), new SlotAccess(slot, AccessMode.Write, 3));
        builder.Add(Make(OperationKind.Forward, 4), new SlotAccess(slot, AccessMode.Read, 4));

        string? problem = ScheduleChecker.FindProblem(builder.Build(), _ => 1);

        Assert.Equal("operation 1 (Forward, unit 4, micro-batch -1, tile -1): expected 4 in slot 'weights 0', found 3", problem);
    }

    [Fact]
    public void FindProblem_ReadOfWhatNobodyWrites_IsFound()
    {
        var builder = new ScheduleBuilder();
        int slot = builder.AddSlot("weights 0", Tier.Gpu, 1);
        builder.Add(Make(OperationKind.Forward, 0), new SlotAccess(slot, AccessMode.Read, 0));

        Assert.Contains("found nothing", ScheduleChecker.FindProblem(builder.Build(), _ => 1), StringComparison.Ordinal);
    }

    private static Operation Make(OperationKind kind, int unit) => new() { Kind = kind, Unit = unit, MicroBatch = Operation.None, Tile = Operation.None };
}
