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

    [Fact]
    public void FindProblem_TwoSlotsOfOneName_IsFound()
    {
        var builder = new ScheduleBuilder();
        builder.AddSlot("tile 0", Tier.Cpu, 1);
        builder.AddSlot("tile 0", Tier.Cpu, 1);

        Assert.Equal("two slots are called 'tile 0'", ScheduleChecker.FindProblem(builder.Build(), _ => 2));
    }

    [Fact]
    public void FindProblem_GuardThatDoesNotWaitForTheDecision_IsFound()
    {
        var builder = new ScheduleBuilder();
        int slot = builder.AddSlot("tile 0", Tier.Cpu, 1);
        builder.Add(Make(OperationKind.ReadStates, 0) with { Guard = Guard.IfRedone }, new SlotAccess(slot, AccessMode.Write, 1));

        Assert.Contains("does not wait for the decision", ScheduleChecker.FindProblem(builder.Build(), _ => 1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Guard.None, Guard.None, true)]
    [InlineData(Guard.IfRedone, Guard.IfRedone, true)]
    [InlineData(Guard.IfRedone, Guard.None, false)]
    public void FindProblem_ReadOfWhatMayNotHaveBeenWritten_IsFound(Guard write, Guard read, bool isRight)
    {
        var builder = new ScheduleBuilder();
        int decision = builder.AddSlot("decision", Tier.Cpu, 1);
        int slot = builder.AddSlot("tile 0", Tier.Cpu, 1);
        long decided = Content.Of(ContentKind.Decision, 0);
        var readDecision = new SlotAccess(decision, AccessMode.Read, decided);
        builder.Add(Make(OperationKind.DecideStep, 0), new SlotAccess(decision, AccessMode.Write, decided));
        builder.Add(Make(OperationKind.ReadStates, 1), new SlotAccess(slot, AccessMode.Write, 1));
        builder.Add(Make(OperationKind.ReadStates, 2) with { Guard = write }, readDecision, new SlotAccess(slot, AccessMode.Write, 2));
        builder.Add(Make(OperationKind.UpdateStates, 2) with { Guard = read }, readDecision, new SlotAccess(slot, AccessMode.Update, 2));

        string? problem = ScheduleChecker.FindProblem(builder.Build(), _ => 2);

        Assert.Equal(isRight, problem is null);
        Assert.True(isRight || problem!.Contains("expected 2 in slot 'tile 0', found 1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true, 7, 7, null)]
    [InlineData(true, 7, 8, "schedule 1 of 2: operation 0 (UpdateStates, unit 0, micro-batch -1, tile -1): expected 8 in slot 'gradients', found 7")]
    [InlineData(false, 7, 7, "schedule 1 of 2: operation 0 (UpdateStates, unit 0, micro-batch -1, tile -1): expected 7 in slot 'gradients', found nothing")]
    public void FindProblemAcross_OneReadsWhatAnotherWrote_OnlyInPersistentSlots(bool isPersistent, long written, long read, string? expected)
    {
        var first = new ScheduleBuilder();
        first.Add(Make(OperationKind.SaveGradients, 0), new SlotAccess(first.AddSlot("gradients", Tier.Cpu, 1, isPersistent), AccessMode.Write, written));
        var second = new ScheduleBuilder();
        second.AddSlot("another", Tier.Cpu, 1);
        second.Add(Make(OperationKind.UpdateStates, 0), new SlotAccess(second.AddSlot("gradients", Tier.Cpu, 1, isPersistent), AccessMode.Read, read));

        Assert.Equal(expected, ScheduleChecker.FindProblemAcross([first.Build(), second.Build()]));
    }

    [Fact]
    public void FindProblemAcross_OneNameOfTwoSizes_IsFound()
    {
        var first = new ScheduleBuilder();
        first.AddSlot("gradients", Tier.Cpu, 1, isPersistent: true);
        var second = new ScheduleBuilder();
        second.AddSlot("gradients", Tier.Cpu, 2, isPersistent: true);

        Assert.Contains("slot 'gradients' is", ScheduleChecker.FindProblemAcross([first.Build(), second.Build()]), StringComparison.Ordinal);
    }

    private static Operation Make(OperationKind kind, int unit) => new() { Kind = kind, Unit = unit, MicroBatch = Operation.None, Tile = Operation.None };
}
