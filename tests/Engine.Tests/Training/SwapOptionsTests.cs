using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Swap;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Engine.Tests.Training;

/// <summary>Options of a swapped model: what contradicts, and what is not there yet, is refused by name.</summary>
[Collection(nameof(ProcessWide))]
public sealed class SwapOptionsTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void Run_Swapped_GivesTheSameBits()
    {
        string resident = TinyRun.Train(_run.Options("resident")).WeightsHash;

        Assert.Equal(resident, TinyRun.Train(_run.Options("budget") with { GpuMemoryBytes = 1 << 30 }).WeightsHash);
        Assert.Equal(resident, TinyRun.Train(_run.Options("order") with { Order = StepOrder.MicroBatchMajor }).WeightsHash);
        Assert.Equal(resident, TinyRun.Train(_run.Options("drives") with { Update = UpdateMode.Speculative, States = Tier.Nvme, NvmeFolders = [_run["nvme"]] }).WeightsHash);
    }

    [Fact]
    public void Run_TooLittleMemoryToStayIn_IsSwappedWithTheSameBits()
    {
        string resident = TinyRun.Train(_run.Options("resident")).WeightsHash;

        TrainingResult swapped = TinyRun.Train(_run.Options("little") with { CpuMemoryBytes = 200L << 20 });

        Assert.Equal(resident, swapped.WeightsHash);
        Assert.True(swapped.PeakGpuBytes > 0, "it was not swapped");
    }

    [Fact]
    public void Run_BudgetsThatNothingFits_AreRefused()
    {
        PlanInfeasibleException error = Assert.Throws<PlanInfeasibleException>(() => TinyRun.Train(_run.Options("refused") with { GpuMemoryBytes = 1000 }));

        Assert.Contains("GPU", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_run["refused"]));
    }

    [Fact]
    public void Run_OptionWithoutEffect_IsRefused()
    {
        const string Expected = "expected --gpu-memory, --schedule, --update or --plan with it";
        Refused(options => options with { States = Tier.Cpu }, $"--states: {Expected}");
        Refused(options => options with { Hardware = "rtx4090" }, $"--hardware: {Expected}");
        Refused(options => options with { IsSequential = true }, $"--sequential: {Expected}");
    }

    [Fact]
    public void Run_OptionsThatContradict_AreRefused()
    {
        Refused(options => options with { PlanFile = _run.DataFile, Order = StepOrder.Fuyou }, "--schedule: expected no --plan with it");
        Refused(options => options with { PlanFile = _run["none"] }, $"--plan {_run["none"]}: expected the file of a plan, found none");
        Refused(options => options with { GpuMemoryBytes = 1, States = Tier.Nvme }, "--states nvme: expected --nvme with it");
        Refused(options => options with { Update = UpdateMode.Immediate }, "immediate updates: expected --max-grad-norm 0, found 1");
        Refused(options => options with { Update = UpdateMode.Immediate, MaxGradNorm = 0 }, "immediate updates: expected --on-nan stop with them");
    }

    [Fact]
    public void Run_OtherUpdateThreads_GivesTheSameBits()
    {
        string one = TinyRun.Train(_run.Options("one")).WeightsHash;

        Assert.Equal(one, TinyRun.Train(_run.Options("three") with { UpdateThreads = 3 }).WeightsHash);
    }

    private void Refused(Func<TrainingOptions, TrainingOptions> change, string message)
    {
        var error = Assert.Throws<UsageException>(() => TinyRun.Train(change(_run.Options("refused"))));
        Assert.Equal(message, error.Message);
    }
}
