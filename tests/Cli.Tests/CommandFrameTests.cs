using System.CommandLine;
using System.Runtime.InteropServices;
using Offload.Profiles;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed partial class CommandFrameTests
{
    private const int SigTerm = 15;

    [Fact]
    public void Run_OffloadException_BecomesOneLineAndItsExitCode()
    {
        CliRun run = Failing(new UsageException("--steps: expected one, found two", "give one"), "work");

        Assert.Equal(2, run.ExitCode);
        Assert.Equal("", run.Output);
        Assert.Equal("error: --steps: expected one, found two\nhint: give one\n", run.Error);
    }

    [Fact]
    public void Run_ErrorWithJson_EndsOutputWithAnErrorObject()
    {
        CliRun run = Failing(new UsageException("'a' \"b\"", null), "work", "--json");

        Assert.Equal("""{"error":"'a' \"b\"","hint":null,"exitCode":2}""", run.LastLine);
        Assert.Equal("error: 'a' \"b\"\n", run.Error);
    }

    [Fact]
    public void Run_UnexpectedException_IsOneLineWithoutTrace()
    {
        CliRun run = Failing(new InvalidOperationException("first\nsecond"), "work");

        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("error: InvalidOperationException: first second\nhint: ", run.Error);
        Assert.Equal(2, run.Error.Count(c => c == '\n'));
    }

    [Fact]
    public void Run_UnexpectedExceptionWithVerbose_ShowsTheTrace()
    {
        CliRun run = Failing(new InvalidOperationException("first"), "work", "--verbose");

        Assert.Contains($"   at {typeof(CommandFrameTests).FullName}", run.Error);
    }

    [Fact]
    public void Run_WrappedOffloadException_IsToldAsItself()
    {
        CliRun run = Failing(new AggregateException(new UsageException("inner")), "work");

        Assert.Equal(2, run.ExitCode);
        Assert.Equal("error: inner\n", run.Error);
    }

    [Fact]
    public void Run_SigTerm_CancelsTheWorkAndExits130()
    {
        RootCommand root = Root(context =>
        {
            Assert.Equal(0, Kill(Environment.ProcessId, SigTerm));
            Assert.True(context.Cancellation.WaitHandle.WaitOne(TimeSpan.FromSeconds(30)));
            context.Cancellation.ThrowIfCancellationRequested();
            return ExitCode.Done;
        });

        CliRun run = CliRun.InProcess(root, "work", "--json");

        Assert.Equal(130, run.ExitCode);
        Assert.Equal("stopping; again to stop at once\nerror: interrupted\n", run.Error);
        Assert.Equal(130, run.LastJson.GetProperty("exitCode").GetInt32());
    }

    [Fact]
    public void Run_WorkDone_GivesItsExitCodeAndJson()
    {
        CliRun run = CliRun.InProcess(Root(context =>
        {
            context.WriteJson(new { FinalLoss = double.NaN, Kind = ExitCode.Store });
            return ExitCode.Infeasible;
        }), "work");

        Assert.Equal(3, run.ExitCode);
        Assert.Equal("{\"finalLoss\":\"NaN\",\"kind\":\"store\"}\n", run.Output);
        Assert.Equal("", run.Error);
    }

    private static CliRun Failing(Exception failure, params string[] args) => CliRun.InProcess(Root(_ => throw failure), args);

    private static RootCommand Root(Func<CommandContext, ExitCode> work)
    {
        var command = new Command("work", "Works");
        command.SetWork(work);
        return CommandTree.CreateRoot(command);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
