using Offload.Profiles;

namespace Offload.Swap.Tests;

public sealed class ResidentPlanTests
{
    private const long MiB = 1L << 20;

    // 2.5 GiB in all.
    private static readonly ResidentPlan Plan = new(StateBytes: 1024 * MiB, TileBytes: 512 * MiB, ComputeWeightBytes: 0, GradientBytes: 512 * MiB, ActivationBytes: 512 * MiB);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(long.MaxValue / 2)]
    public void RequireWithin_BudgetOfAllOfItOrMore_Accepts(long spareBytes)
    {
        Assert.Equal(2560 * MiB, Plan.TotalBytes);
        Assert.Null(Record.Exception(() => Plan.RequireWithin(Plan.TotalBytes + spareBytes, "--cpu-memory")));
    }

    [Theory]
    [InlineData(1, "2.50 GiB: 1 bytes short")]
    [InlineData(1023, "2.50 GiB: 1023 bytes short")]
    [InlineData(1024, "2.50 GiB: 1.00 KiB short")]
    [InlineData(560 * MiB, "1.95 GiB: 560.00 MiB short")]
    [InlineData(2560 * MiB, "0 bytes: 2.50 GiB short")]
    public void RequireWithin_BudgetTooSmall_SaysByHowMuch(long shortBytes, string end)
    {
        var error = Assert.Throws<PlanInfeasibleException>(() => Plan.RequireWithin(Plan.TotalBytes - shortBytes, "free memory"));

        Assert.Equal(
            "training with all states in memory needs 2.50 GiB (1.00 GiB states, 512.00 MiB tiles, 0 bytes weights, 512.00 MiB gradients, 512.00 MiB activations), "
            + $"but free memory is {end}",
            error.Message);
    }

    [Fact]
    public void RequireWithin_StatesOnDrives_SaysSoAndDoesNotProposeIt()
    {
        var error = Assert.Throws<PlanInfeasibleException>(() => (Plan with { StateBytes = 0 }).RequireWithin(0, "free memory"));

        Assert.StartsWith("training with states on drives needs 1.50 GiB (0 bytes states, ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("--nvme", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void RequireWithin_BudgetTooSmall_HasAHintAndExitCode3()
    {
        var error = Assert.Throws<PlanInfeasibleException>(() => Plan.RequireWithin(0, "--cpu-memory"));

        Assert.Equal(ExitCode.Infeasible, error.ExitCode);
        Assert.Equal(3, (int)error.ExitCode);
        Assert.Contains("--cpu-memory is ", error.Message, StringComparison.Ordinal);
        Assert.All((string[])["--nvme", "--micro-batch", "--seq-len", "--dtype bfloat16"], option => Assert.Contains(option, error.Hint, StringComparison.Ordinal));
    }
}
