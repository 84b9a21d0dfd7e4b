using System.Text.Json;
using Offload.Tests.Infrastructure;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class NvmeTests : IDisposable
{
    private readonly TrainFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Train_Nvme_GivesTheBitsOfMemoryAndCountsBytes()
    {
        string expected = _folder.Train("--from-scratch", "--json", "--output", _folder["memory"]).LastJson.GetProperty("weightsHash").GetString()!;

        CliRun run = _folder.Train("--from-scratch", "--json", "--nvme", _folder["a"], "--nvme", _folder["b"], "--tbw", "600");

        Assert.True(run.ExitCode == 0, run.Error);
        JsonElement result = run.LastJson;
        Assert.Equal(expected, result.GetProperty("weightsHash").GetString());
        Assert.Contains("drives rated for 600 TB last ", run.Error);
        Assert.True(result.GetProperty("driveLifeDays").GetDouble() > 0);
        // Of each step its states and its commit's record, nothing of the import: that is as much again as a step.
        Assert.InRange(result.GetProperty("ssdBytesPerStep").GetDouble(), 12 * 35040, result.GetProperty("ssdBytesWritten").GetInt64() / 6.9);
        Assert.True(File.Exists(Path.Combine(_folder["a"], "states.offload")) && File.Exists(Path.Combine(_folder["b"], "states.offload")));
        JsonElement[] steps = [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).Where(line => line.TryGetProperty("gradNorm", out _))];
        Assert.All(steps, step => Assert.True(step.GetProperty("ssdBytesWritten").GetInt64() >= 12 * 35040));

        JsonElement inspected = CliRun.InProcess("inspect", _folder.Output, "--json").LastJson;
        Assert.Equal([_folder["a"], _folder["b"]], inspected.GetProperty("storeFolders").EnumerateArray().Select(folder => folder.GetString()));
        CliRun generated = CliRun.InProcess("generate", "--model", _folder.Output, "--prompt", "the cat", "--max-new-tokens", "3", "--threads", "1");
        CliRun generatedFromExport = CliRun.InProcess("generate", "--model", Path.Combine(_folder["memory"], "model"), "--prompt", "the cat", "--max-new-tokens", "3", "--threads", "1");
        Assert.Equal(generatedFromExport.Output, generated.Output);
        Assert.Equal(0, generated.ExitCode);
    }

    [Fact]
    public void Export_RunInUse_IsOneLineAndInspectWorks()
    {
        using var process = new OffloadProcess(_folder.Args("--from-scratch", "--steps", "100000", "--json", "--nvme", _folder["nvme"]));
        process.ReadLine();
        process.ReadLine();

        CliRun exported = CliRun.InProcess("export", _folder.Output, "--output", _folder["out"]);
        CliRun inspected = CliRun.InProcess("inspect", _folder.Output, "--json");
        CliRun second = _folder.Train("--from-scratch", "--output", _folder["second"], "--nvme", _folder["nvme"]);

        Assert.Equal(1, exported.ExitCode);
        Assert.Matches(@"^error: .*states\.offload.*: cannot [^\n]* another process [^\n]*\nhint: [^\n]+\n$", exported.Failure);
        Assert.False(Directory.Exists(_folder["out"]));
        Assert.Equal(0, inspected.ExitCode);
        Assert.True(inspected.LastJson.GetProperty("step").GetInt64() >= 0);
        Assert.Equal(2, second.ExitCode);
        Assert.StartsWith($"error: --nvme {_folder["nvme"]}: expected no store, found one\n", second.Error);
    }

    [Fact]
    public void GenerateAndInspect_StoreHasMoved_FindItWithNvme()
    {
        Assert.Equal(0, _folder.Train("--from-scratch", "--no-export", "--nvme", _folder["nvme"]).ExitCode);
        string[] generate = ["generate", "--model", _folder.Output, "--prompt", "the cat", "--max-new-tokens", "3", "--threads", "1"];
        string expected = CliRun.InProcess(generate).Output;
        Directory.Move(_folder["nvme"], _folder["moved"]);

        CliRun gone = CliRun.InProcess(generate);
        CliRun generated = CliRun.InProcess([.. generate, "--nvme", _folder["moved"]]);
        CliRun inspected = CliRun.InProcess("inspect", _folder.Output, "--nvme", _folder["moved"], "--verify", "--json");
        CliRun noRun = CliRun.InProcess("inspect", _folder["moved"], "--nvme", _folder["moved"]);

        Assert.Equal(4, gone.ExitCode);
        Assert.Equal(expected, generated.Output);
        Assert.True(inspected.LastJson.GetProperty("verification").GetProperty("isIntact").GetBoolean());
        Assert.Equal(2, noRun.ExitCode);
    }

    [Fact]
    public void Repair_FinishedRunLosesItsLastStep_IsFinishedNoMore()
    {
        string hash = _folder.Train("--from-scratch", "--no-export", "--nvme", _folder["nvme"], "--json").LastJson.GetProperty("weightsHash").GetString()!;
        string store = Path.Combine(_folder["nvme"], "states.offload");
        // In one generation, then, if that is not the last commit's, in the other.
        foreach (double place in (double[])[0.3, 0.7])
        {
            long offset = (long)(new FileInfo(store).Length * place);
            Flip(offset);
            if (CliRun.InProcess("inspect", _folder.Output, "--verify").ExitCode == 4)
            {
                break;
            }

            Flip(offset);
        }

        CliRun repaired = CliRun.InProcess("inspect", _folder.Output, "--repair", "--json");
        JsonElement after = CliRun.InProcess("inspect", _folder.Output, "--json").LastJson;
        CliRun resumed = _folder.Train("--from-scratch", "--no-export", "--resume", "--json");

        Assert.Equal(6, repaired.LastJson.GetProperty("repair").GetProperty("lostStep").GetInt64());
        Assert.Equal((5L, JsonValueKind.Null), (after.GetProperty("step").GetInt64(), after.GetProperty("result").ValueKind));
        Assert.Equal(hash, resumed.LastJson.GetProperty("weightsHash").GetString());

        void Flip(long offset)
        {
            using FileStream file = File.Open(store, FileMode.Open);
            file.Seek(offset, SeekOrigin.Begin);
            int value = file.ReadByte();
            file.Seek(offset, SeekOrigin.Begin);
            file.WriteByte((byte)(value ^ 4));
        }
    }

    [Fact]
    public void Train_HalfMadeStore_IsStartedAnewSayingSo()
    {
        Directory.CreateDirectory(_folder["nvme"]);
        File.WriteAllText(Path.Combine(_folder["nvme"], "states.offload.part"), "half");

        CliRun run = _folder.Train("--from-scratch", "--nvme", _folder["nvme"]);

        Assert.Equal(0, run.ExitCode);
        Assert.Contains($"the half-made store in {_folder["nvme"]} is started anew", run.Error);
    }

    [Fact]
    public void Train_InterruptedWithNvme_ResumesWithoutIt()
    {
        string[] options = ["--from-scratch", "--steps", "200", "--json"];
        string whole = _folder.Train([.. options, "--output", _folder["whole"]]).LastJson.GetProperty("weightsHash").GetString()!;
        using var process = new OffloadProcess(_folder.Args([.. options, "--nvme", _folder["nvme"], "--commit-every", "1000"]));
        for (int line = 0; line < 4; line++)
        {
            process.ReadLine();
        }

        Assert.True(process.Interrupt());
        int exitCode = process.Wait();

        Assert.True(exitCode == 130, process.Error);
        long committed = CliRun.InProcess("inspect", _folder.Output, "--json").LastJson.GetProperty("step").GetInt64();
        Assert.InRange(committed, 3, 199);
        CliRun resumed = _folder.Train([.. options, "--resume"]);
        Assert.Contains($"resumed after step {committed} of 200", resumed.Error);
        Assert.Equal(whole, resumed.LastJson.GetProperty("weightsHash").GetString());
    }

    [Fact]
    public void Train_DiskTooSmall_IsRefusedBeforeAByteIsWritten()
    {
        // A file system of 64 KiB in a mount namespace of its own; the store has more.
        string mount = Directory.CreateDirectory(_folder["disk"]).FullName;
        string args = string.Join(' ', _folder.Args("--from-scratch", "--nvme", $"{mount}/nvme").Select(arg => $"'{arg}'"));
        string script = $"mount -t tmpfs -o size=64k tmpfs '{mount}' || exit 99\n\"$0\" {args}\ncode=$?\nls -A '{mount}'\nexit $code";
        CliRun run = ShellRun.Run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, ShellRun.Offload);
        Assert.SkipWhen(run.ExitCode == 99 || run.Error.StartsWith("unshare: ", StringComparison.Ordinal), "this system does not let users mount a file system of their own");

        Assert.Equal(1, run.ExitCode);
        Assert.Matches(@"error: .*/nvme: cannot write \d+ bytes: only \d+ bytes are free, \d+ bytes are missing\nhint: [^\n]+\n$", run.Error);
        Assert.Equal("", run.Output);
        Assert.False(Directory.Exists(_folder.Output));
    }

    [Fact]
    public void Train_SingleGeneration_IsWarnedOf()
    {
        CliRun run = _folder.Train("--from-scratch", "--single-generation", "--nvme", _folder["nvme"]);

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("a crash or power cut inside a step loses the whole run", run.Error);
    }

    [Theory]
    [InlineData("--single-generation")]
    [InlineData("--commit-every", "2")]
    [InlineData("--tbw", "600")]
    public void Train_OptionOfDrivesWithoutNvme_Exits2(params string[] option)
    {
        CliRun run = _folder.Train(["--from-scratch", .. option]);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {option[0]}: expected --nvme with it\n", run.Error);
        Assert.False(Directory.Exists(_folder.Output));
    }
}
