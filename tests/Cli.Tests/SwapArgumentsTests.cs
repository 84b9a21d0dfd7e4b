using System.CommandLine;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Cli.Tests;

public sealed class SwapArgumentsTests
{
    private const string Least = "--model m --data d.txt --output o";

    [Theory]
    [InlineData("layer-major", StepOrder.LayerMajor)]
    [InlineData("micro-batch-major", StepOrder.MicroBatchMajor)]
    [InlineData("fuyou", StepOrder.Fuyou)]
    [InlineData("zero-infinity", StepOrder.ZeroInfinity)]
    public void Read_Schedule_IsTheOrder(string word, StepOrder order) => Assert.Equal(order, Read($"{Least} --schedule {word}").Order);

    [Theory]
    [InlineData("auto", null)]
    [InlineData("immediate", UpdateMode.Immediate)]
    [InlineData("deferred", UpdateMode.Deferred)]
    [InlineData("separate", UpdateMode.Separate)]
    [InlineData("speculative", UpdateMode.Speculative)]
    public void Read_Update_IsTheMode(string word, UpdateMode? mode) => Assert.Equal(mode, Read($"{Least} --update {word}").Update);

    [Theory]
    [InlineData("auto", null)]
    [InlineData("cpu", Tier.Cpu)]
    [InlineData("nvme", Tier.Nvme)]
    public void Read_States_IsTheTier(string word, Tier? tier) => Assert.Equal(tier, Read($"{Least} --states {word}").States);

    [Fact]
    public void Read_OthersGiven_AreReadAsMeant()
    {
        TrainingOptions options = Read($"{Least} --gpu-memory 24GiB --plan p.json --hardware rtx4090 --sequential --on-nan stop --threads 2 --update-threads 3");

        Assert.Equal((24L << 30, "p.json", "rtx4090"), (options.GpuMemoryBytes, options.PlanFile, options.Hardware));
        Assert.Equal((true, NonFiniteAction.Stop, 3), (options.IsSequential, options.OnNonFinite, options.UpdateThreads));
    }

    [Fact]
    public void Read_NoneGiven_LeavesTheDefaults()
    {
        TrainingOptions options = Read(Least);

        Assert.Equal(new TrainingOptions { OutputFolder = "" } with { ModelFolder = "m", OutputFolder = "o", DataFiles = options.DataFiles, EvalFiles = options.EvalFiles, NvmeFolders = options.NvmeFolders }, options);
    }

    private static TrainingOptions Read(string commandLine)
    {
        TrainingOptions? options = null;
        var command = new Command("work", "Works");
        TrainingArguments.AddTo(command);
        command.SetWork(context =>
        {
            options = TrainingArguments.Read(context);
            return ExitCode.Done;
        });
        CliRun run = CliRun.InProcess(CommandTree.CreateRoot(command), ["work", .. commandLine.Split(' ')]);

        Assert.Equal("", run.Error);
        return options!;
    }
}
