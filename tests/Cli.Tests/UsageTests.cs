namespace Offload.Cli.Tests;

public sealed class UsageTests
{
    [Fact]
    public void Help_Program_ListsCommandsAndGlobalOptions()
    {
        CliRun run = CliRun.InProcess("--help");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal("", run.Error);
        Assert.All((string[])["doctor", "--libtorch <DIR>", "--json", "--verbose", "--version", "Exit codes"], word => Assert.Contains(word, run.Output));
    }

    [Fact]
    public void Help_EveryCommand_HasOne()
    {
        Assert.All(CommandTree.Root.Subcommands, command =>
        {
            CliRun run = CliRun.InProcess(command.Name, "--help");
            Assert.Equal(0, run.ExitCode);
            Assert.Contains($" {command.Name} ", run.Output);
        });
    }

    [Fact]
    public void Version_Program_IsItsOwn()
    {
        CliRun run = CliRun.InProcess("--version");

        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"^offload \d+\.\d+\.\d+", run.Output);
    }

    [Theory]
    [InlineData("unknown command 'docter'", "did you mean doctor?", "docter")]
    [InlineData("unknown option '--nvem'", "did you mean --nvme?", "doctor", "--nvem", "x")]
    [InlineData("unknown option '--jsn'", "did you mean --json?", "doctor", "--jsn")]
    [InlineData("unknown argument 'here'", "'offload doctor --help' lists what there is", "doctor", "here")]
    [InlineData("unknown command 'qqqqqqqq'", "'offload --help' lists what there is", "qqqqqqqq")]
    [InlineData("no command given", "'offload --help' lists what there is")]
    public void Run_WrongWord_NamesItAndTheNearest(string error, string hint, params string[] args)
    {
        CliRun run = CliRun.InProcess(args);

        Assert.Equal(2, run.ExitCode);
        Assert.Equal("", run.Output);
        Assert.Equal($"error: {error}\nhint: {hint}\n", run.Error);
    }

    [Theory]
    [InlineData("PATH", "inspect", "")]
    [InlineData("RUN", "export", "", "--output", "x")]
    [InlineData("DIR", "verify", "")]
    [InlineData("--eval-data", "train", "--eval-data", "")]
    public void Run_EmptyValue_IsRefused(string name, params string[] args)
    {
        CliRun run = CliRun.InProcess(args);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {name}: expected a value, found an empty text\n", run.Error);
    }

    [Fact]
    public void Help_OfOptions_TellsWhatTheyDoToday()
    {
        string train = CliRun.InProcess("train", "--help").Output;

        Assert.Matches(@"--device <cpu> +Where the model computes; only cpu works today", train);
        Assert.Contains("--nvme <DIR>", train);
        Assert.Matches(@"--checkpoint-every <X> +Minutes between checkpoints of states in memory \[30\]; with --nvme see\s+--commit-every", train);
        Assert.Contains("Type of the compute", train);
        Assert.Contains("Type of the written weights", CliRun.InProcess("export", "--help").Output);
    }

    [Fact]
    public void Run_WrongWordWithJson_EndsOutputWithAnErrorObject()
    {
        CliRun run = CliRun.InProcess("doctor", "--nvem", "x", "--json");

        Assert.Equal("""{"error":"unknown option '--nvem'","hint":"did you mean --nvme?","exitCode":2}""", run.LastLine);
    }

    [Fact]
    public void Process_WrongWord_Exits2()
    {
        CliRun run = CliRun.AsProcess("docter");

        Assert.Equal(2, run.ExitCode);
        Assert.Equal("error: unknown command 'docter'\nhint: did you mean doctor?\n", run.Error);
    }
}
