using System.CommandLine;
using Offload.Profiles;
using TorchSharp;

namespace Offload.Cli.Tests;

public sealed class CommonOptionsTests
{
    private static readonly Option[] All =
    [
        CommonOptions.Model, CommonOptions.Data, CommonOptions.Output, CommonOptions.Nvme, CommonOptions.Steps, CommonOptions.SeqLen,
        CommonOptions.MicroBatch, CommonOptions.TokensPerStep, CommonOptions.Lr, CommonOptions.MaxGradNorm, CommonOptions.Seed,
        CommonOptions.Dtype, CommonOptions.Device, CommonOptions.CpuMemory, CommonOptions.Resume, CommonOptions.UpdateThreads, .. SwapArguments.All,
    ];

    [Fact]
    public void Values_AllGiven_AreReadAsMeant()
    {
        Check(
            "--model m --nvme a --nvme b --steps 3 --lr 1e-4 --max-grad-norm 0 --seed 0 --dtype bfloat16 --device cuda:1 --cpu-memory 12GiB --resume",
            context =>
            {
                Assert.Equal("m", context.Get(CommonOptions.Model));
                Assert.Equal(["a", "b"], context.Get(CommonOptions.Nvme)!);
                Assert.Equal(3, context.Get(CommonOptions.Steps));
                Assert.Equal(1e-4, context.Get(CommonOptions.Lr));
                Assert.Equal(0, context.Get(CommonOptions.MaxGradNorm));
                Assert.Equal(0, context.Get(CommonOptions.Seed));
                Assert.Equal("bfloat16", context.Get(CommonOptions.Dtype));
                Assert.Equal(new DeviceChoice(DeviceType.CUDA, 1), context.Get(CommonOptions.Device));
                Assert.Equal(12L << 30, context.Get(CommonOptions.CpuMemory));
                Assert.True(context.Get(CommonOptions.Resume));
            });
    }

    [Fact]
    public void Values_NoneGiven_AreNull()
    {
        Check("", context =>
        {
            Assert.Empty(context.Get(CommonOptions.Nvme)!);
            Assert.Null(context.Get(CommonOptions.Model));
            Assert.Null(context.Get(CommonOptions.Steps));
            Assert.Null(context.Get(CommonOptions.Lr));
            Assert.Null(context.Get(CommonOptions.Device));
            Assert.Null(context.Get(CommonOptions.CpuMemory));
            Assert.Null(context.Get(CommonOptions.Dtype));
            Assert.False(context.Get(CommonOptions.Resume));
        });
    }

    [Theory]
    [InlineData("--steps 0", "--steps: expected a whole number of at least 1, found '0'")]
    [InlineData("--steps 1.5", "--steps: expected a whole number of at least 1, found '1.5'")]
    [InlineData("--lr nan", "--lr: expected a number of at least 0, found 'nan'")]
    [InlineData("--lr=-1", "--lr: expected a number of at least 0, found '-1'")]
    [InlineData("--dtype float16", "--dtype: expected float32 or bfloat16, found 'float16'")]
    [InlineData("--device gpu", "--device: expected cpu, cuda or cuda:N, found 'gpu'")]
    [InlineData("--device cuda:-1", "--device: expected cpu, cuda or cuda:N, found 'cuda:-1'")]
    [InlineData("--update-threads 0", "--update-threads: expected a whole number of at least 1, found '0'")]
    [InlineData("--gpu-memory lots", "--gpu-memory: expected a size such as 12GiB or 64MiB, found 'lots'")]
    [InlineData("--schedule gpipe", "--schedule: expected layer-major, micro-batch-major, fuyou or zero-infinity, found 'gpipe'")]
    [InlineData("--update later", "--update: expected auto, immediate, deferred, separate or speculative, found 'later'")]
    [InlineData("--states gpu", "--states: expected auto, cpu or nvme, found 'gpu'")]
    [InlineData("--cpu-memory 12", "--cpu-memory: expected a size such as 12GiB or 64MiB, found '12'")]
    public void Values_Unusable_AreNamedWithWhatIsExpected(string commandLine, string error)
    {
        CliRun run = CliRun.InProcess(Root(_ => ExitCode.Done), ["work", .. commandLine.Split(' ')]);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {error}\n", run.Error);
    }

    [Theory]
    [InlineData("--output", "--output", "")]
    [InlineData("--data", "--data", "a", "--data", "")]
    [InlineData("--libtorch", "--libtorch", "")]
    [InlineData("--steps", "--steps", "")]
    public void Values_Empty_AreRefusedByTheOptionsName(string option, params string[] args)
    {
        CliRun run = CliRun.InProcess(Root(_ => ExitCode.Done), ["work", .. args]);

        Assert.Equal(2, run.ExitCode);
        Assert.Matches($"^error: {option}: expected .*, found (an empty text|'')\n", run.Error);
    }

    [Fact]
    public void Values_StartingWithAt_AreText() => Check("--model @alice", context => Assert.Equal("@alice", context.Get(CommonOptions.Model)));

    private static void Check(string commandLine, Action<CommandContext> assertions)
    {
        Exception? failure = null;
        CliRun run = CliRun.InProcess(
            Root(context =>
            {
                failure = Record.Exception(() => assertions(context));
                return ExitCode.Done;
            }),
            ["work", .. commandLine.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

        Assert.Null(failure);
        Assert.Equal("", run.Error);
        Assert.Equal(0, run.ExitCode);
    }

    private static RootCommand Root(Func<CommandContext, ExitCode> work)
    {
        var command = new Command("work", "Works");
        foreach (Option option in All)
        {
            command.Add(option);
        }

        command.SetWork(work);
        return CommandTree.CreateRoot(command);
    }
}
