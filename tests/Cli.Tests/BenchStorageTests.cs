using System.Text.Json;
using Offload.Storage.Benchmarks;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class BenchStorageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-bench-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Bench_WithJson_IsOneObjectWithTheProfilesRates()
    {
        string drive = Path.Combine(_folder, "new", "drive");
        string profile = Path.Combine(_folder, "ssd.json");

        CliRun run = CliRun.InProcess("bench", "storage", "--nvme", drive, "--size", "16MiB", "--json", "--output", profile);

        Assert.Equal(0, run.ExitCode);
        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        JsonElement result = run.LastJson;
        foreach (string name in (string[])["readGBps", "writeGBps", "mixedReadGBps", "mixedWriteGBps", "capacityGB"])
        {
            Assert.True(result.GetProperty("ssd").GetProperty(name).GetDouble() > 0);
        }

        Assert.Equal(
            ["read device", "read store", "read threads", "write device", "write store", "write threads", "mixed device", "mixed store", "mixed threads"],
            result.GetProperty("rows").EnumerateArray().Select(row => $"{row.GetProperty("pattern").GetString()} {row.GetProperty("layer").GetString()}"));
        Assert.All(result.GetProperty("rows").EnumerateArray(), row => Assert.Equal(3, row.GetProperty("rounds").GetArrayLength()));
        Assert.Equal(drive, result.GetProperty("drives")[0].GetProperty("path").GetString());
        Assert.True(result.GetProperty("isDirect").ValueKind is JsonValueKind.True or JsonValueKind.False);
        using JsonDocument fragment = JsonDocument.Parse(File.ReadAllBytes(profile));
        Assert.Equal(result.GetProperty("ssd").GetProperty("readGBps").GetDouble(), fragment.RootElement.GetProperty("ssd").GetProperty("readGBps").GetDouble());
        Assert.Equal([profile], Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void Bench_OnATerminal_TellsWhatItWritesThenTheTable()
    {
        CliRun run = CliRun.InProcess("bench", "storage", "--nvme", _folder, "--size", "8MiB");

        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith($"temporary file {_folder}/{StorageBenchmarkPlan.FileName}: 8 MiB of ", run.Error);
        Assert.Contains("\nwrites at most 80 MiB in all, over 3 rounds\n", run.Error);
        Assert.Matches(@"\nread   store +\d+\.\d{3} ", run.Output);
        Assert.Matches(@"\nwrite  threads +\d+\.\d{3} ", run.Output);
        Assert.Contains("\nFor a plan: reads ", run.Output);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void Bench_MoreThanIsFree_Exits1WithTheNumberMissing()
    {
        CliRun run = CliRun.InProcess("bench", "storage", "--nvme", Path.Combine(_folder, "drive"), "--size", "900000TiB", "--json");

        Assert.Equal(1, run.ExitCode);
        Assert.Matches($@"^error: {_folder}/drive/{StorageBenchmarkPlan.FileName}: cannot write \d+ bytes: only \d+ bytes are free, \d+ bytes are missing\nhint: ", run.Error);
        Assert.Equal(1, run.LastJson.GetProperty("exitCode").GetInt32());
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Theory]
    [InlineData("no folder to measure")]
    [InlineData("/a is given twice", "--nvme", "/a", "--nvme", "/a/")]
    [InlineData("a size of 1048576 bytes is too small: expected at least 8388608", "--nvme", "/tmp", "--size", "1MiB")]
    [InlineData("/etc/hostname: expected a folder, found a file", "--nvme", "/etc/hostname")]
    [InlineData("--size: expected a size such as 12GiB or 64MiB, found '4'", "--nvme", "/tmp", "--size", "4")]
    [InlineData("--output: /etc/hostname exists", "--nvme", "/tmp", "--output", "/etc/hostname")]
    [InlineData("--output: the folder /nowhere does not exist", "--nvme", "/tmp", "--output", "/nowhere/ssd.json")]
    public void Bench_BadOptions_Exits2(string message, params string[] options)
    {
        CliRun run = CliRun.InProcess(["bench", "storage", .. options]);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {message}\n", run.Error);
    }

    [Fact]
    public void Bench_FolderThatCannotBeMade_Exits1()
    {
        CliRun run = CliRun.InProcess("bench", "storage", "--nvme", "/proc/nothing", "--size", "8MiB");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("error: /proc", run.Error);
    }

    [Theory]
    [InlineData("no command given", "bench")]
    [InlineData("unknown command 'drive'", "bench", "drive")]
    public void Bench_NoSubcommand_Exits2(string message, params string[] args)
    {
        CliRun run = CliRun.InProcess(args);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {message}\n", run.Error);
    }
}
