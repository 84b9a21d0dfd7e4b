using System.Text.Json;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class ExportTests : IDisposable
{
    private readonly TrainFolder _folder = new();

    public ExportTests()
    {
        Result = _folder.Train("--from-scratch", "--json").LastJson;
    }

    private JsonElement Result { get; }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Export_Run_IsItsEndWeights()
    {
        CliRun run = CliRun.InProcess("export", _folder.Output, "--output", _folder["out"], "--dtype", "float32", "--json");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(Result.GetProperty("weightsHash").GetString(), run.LastJson.GetProperty("weightsHash").GetString());
        // The file itself: a run of no step over it begins with these weights.
        _folder.Model = _folder["out"];
        CliRun again = _folder.Train("--output", _folder["again"], "--steps", "1", "--lr", "0", "--weight-decay", "0", "--no-export", "--json");
        Assert.Equal(Result.GetProperty("weightsHash").GetString(), again.LastJson.GetProperty("weightsHash").GetString());
    }

    [Fact]
    public void Export_InTheRunsType_IsWhatTheRunExported()
    {
        CliRun.InProcess("export", _folder.Output, "--output", _folder["out"]);

        foreach (string file in Directory.GetFiles(Path.Combine(_folder.Output, "model")))
        {
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(_folder["out"], Path.GetFileName(file))));
        }
    }

    [Fact]
    public void Export_OverAnExportAndOverAModel_ReplacesTheOneAndRefusesTheOther()
    {
        Assert.Equal(0, CliRun.InProcess("export", _folder.Output, "--output", _folder["out"]).ExitCode);
        Assert.Equal(0, CliRun.InProcess("export", _folder.Output, "--output", _folder["out"]).ExitCode);

        CliRun refused = CliRun.InProcess("export", _folder.Output, "--output", _folder.Model);

        Assert.Equal(1, refused.ExitCode);
        Assert.Equal(
            $"error: {_folder.Model}: cannot replace the folder: it holds something that this program did not export\nhint: give a new or empty folder\n", refused.Failure);
    }

    [Theory]
    [InlineData("absent", "expected the folder of a run, found no run.json")]
    [InlineData("model", "expected the folder of a run, found no run.json")]
    public void Export_NoRun_Exits2(string name, string expected)
    {
        CliRun run = CliRun.InProcess("export", _folder[name], "--output", _folder["out"]);

        Assert.Equal(2, run.ExitCode);
        Assert.Contains(expected, run.Error);
    }

    [Fact]
    public void Export_FullDisk_IsOneLineExits1AndLeavesNothing()
    {
        // A file system of 64 KiB in a mount namespace of its own; the model has more.
        string mount = Directory.CreateDirectory(_folder["disk"]).FullName;
        string script = $"mount -t tmpfs -o size=64k tmpfs '{mount}' || exit 99\n\"$0\" export '{_folder.Output}' --output '{mount}/out' --dtype float32\ncode=$?\nls -A '{mount}'\nexit $code";
        CliRun run = ShellRun.Run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, ShellRun.Offload);
        Assert.SkipWhen(run.ExitCode == 99 || run.Error.StartsWith("unshare: ", StringComparison.Ordinal), "this system does not let users mount a file system of their own");

        Assert.Equal(1, run.ExitCode);
        Assert.Matches(@"^error: .*/out.*: cannot write \d+ bytes: only \d+ bytes are free, \d+ bytes are missing\nhint: [^\n]+\n$", run.Failure);
        Assert.Equal("", run.Output);
        AssertRunIsIntact();
    }

    [Fact]
    public void Export_WriteFailsInTheMiddle_IsOneLineExits1AndLeavesNothing()
    {
        // A limit on the size of files, in blocks of 512 bytes or 1 KiB: the system refuses the write that would cross it.
        Directory.CreateDirectory(_folder["limited"]);
        string script = $"trap '' XFSZ\nulimit -f 50\nexec \"$0\" export '{_folder.Output}' --output '{_folder["limited"]}/out' --dtype float32";
        CliRun run = ShellRun.Run("sh", "-c", script, ShellRun.Offload);

        Assert.Equal(1, run.ExitCode);
        Assert.Matches(@"^error: [^\n]*/\.out\.[^\n]*: cannot write \d+ bytes at offset \d+: EFBIG[^\n]*\n$", run.Failure);
        Assert.Empty(Directory.GetFileSystemEntries(_folder["limited"]));
        AssertRunIsIntact();
    }

    private void AssertRunIsIntact()
    {
        CliRun run = CliRun.InProcess("export", _folder.Output, "--output", _folder["out"], "--json");
        Assert.Equal(Result.GetProperty("weightsHash").GetString(), run.LastJson.GetProperty("weightsHash").GetString());
    }
}
