using System.Text.Json;
using Offload.Tests.Infrastructure;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class TrainTests : IDisposable
{
    private readonly TrainFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Train_Json_EndsWithTheResult()
    {
        CliRun run = _folder.Train("--from-scratch", "--json");

        Assert.Equal(0, run.ExitCode);
        JsonElement result = run.LastJson;
        Assert.Equal(6, result.GetProperty("steps").GetInt32());
        Assert.Matches("^[0-9a-f]{32}$", result.GetProperty("weightsHash").GetString());
        Assert.True(result.GetProperty("evalLoss").GetDouble() < result.GetProperty("evalLossBefore").GetDouble());
        Assert.All((string[])["finalLoss", "tokensPerSecond", "ssdBytesRead", "ssdBytesWritten", "ssdBytesPerStep", "driveLifeSteps", "driveLifeDays", "peakCpuBytes", "peakGpuBytes", "output", "modelFolder"], name => result.GetProperty(name));
        Assert.True(File.Exists(Path.Combine(_folder.Output, "model", "model.safetensors")));
        Assert.Equal(8, File.ReadAllLines(Path.Combine(_folder.Output, "metrics.jsonl")).Length);
    }

    [Fact]
    public void Train_UsedOutput_IsRefusedWithoutResumeAndShowsItsResultWithIt()
    {
        string first = _folder.Train("--from-scratch", "--json").LastLine;

        CliRun refused = _folder.Train("--from-scratch");
        CliRun resumed = _folder.Train("--from-scratch", "--resume", "--json");

        Assert.Equal(2, refused.ExitCode);
        Assert.Equal($"error: --output {_folder.Output}: expected an empty folder, found a run\nhint: continue it with --resume, or choose another folder\n", refused.Error);
        Assert.Equal(0, resumed.ExitCode);
        Assert.Equal(first, resumed.Output.TrimEnd('\n'));
    }

    [Fact]
    public void Train_ResumeOnAnEmptyFolder_StartsAnewAndSaysSo()
    {
        Directory.CreateDirectory(_folder.Output);

        CliRun run = _folder.Train("--from-scratch", "--resume");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains($"nothing was committed in {_folder.Output} yet: the run starts anew", run.Error);
    }

    [Fact]
    public void Train_Interrupted_CommitsExits130AndGoesOnToTheSameBits()
    {
        string[] options = ["--from-scratch", "--steps", "200", "--json"];
        string whole = _folder.Train([.. options, "--output", _folder["whole"]]).LastJson.GetProperty("weightsHash").GetString()!;
        using var process = new OffloadProcess(_folder.Args(options));
        for (int line = 0; line < 4; line++)
        {
            process.ReadLine();
        }

        Assert.True(process.Interrupt());
        int exitCode = process.Wait();

        Assert.True(exitCode == 130, process.Error);
        Assert.Contains("with --resume goes on", process.Error);
        Assert.EndsWith("error: interrupted\n", process.Error);
        CliRun inspected = CliRun.InProcess("inspect", _folder.Output, "--json");
        long committed = inspected.LastJson.GetProperty("step").GetInt64();
        Assert.InRange(committed, 3, 199);
        CliRun resumed = _folder.Train([.. options, "--resume"]);
        Assert.Contains($"resumed after step {committed} of 200", resumed.Error);
        Assert.Equal(whole, resumed.LastJson.GetProperty("weightsHash").GetString());
    }

    [Fact]
    public void Train_OutputInUse_IsRefused()
    {
        using var process = new OffloadProcess(_folder.Args("--from-scratch", "--steps", "100000", "--json"));
        process.ReadLine();
        process.ReadLine();

        CliRun second = _folder.Train("--from-scratch", "--resume");

        Assert.Equal(2, second.ExitCode);
        Assert.StartsWith($"error: --output {_folder.Output}: another process is using this run\nhint: ", second.Error);
    }

    [Theory]
    [InlineData(CrashCheck.States.InMemory, 4)]
    [InlineData(CrashCheck.States.OnDrives, 4)]
    [InlineData(CrashCheck.States.OnDrivesSeldomCommitted, 2)]
    [InlineData(CrashCheck.States.Swapped, 5)]
    public void Train_KilledAtRandomMoments_LosesNoCommitAndEndsWithTheSameBits(CrashCheck.States states, int numKills)
    {
        CrashCheck.Result result = CrashCheck.Run(numKills, seed: 1, states);

        Assert.Null(result.Problem);
        Assert.Equal(numKills, result.Kills);
        Assert.True(result.KnownCommits > 0);
        Assert.True(result.Continued > 0);
    }

    [Fact]
    public void Inspect_Run_TellsSettingsStepAndResult()
    {
        _folder.Train("--from-scratch");

        CliRun run = CliRun.InProcess("inspect", _folder.Output);
        JsonElement json = CliRun.InProcess("inspect", _folder.Output, "--json").LastJson;

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("a run over llama, 35,040 parameters", run.Output);
        Assert.Contains("step: 4 sequences of 16 tokens, micro-batches of 2", run.Output);
        Assert.Contains("committed: step 6 of 6", run.Output);
        Assert.Contains("finished: loss", run.Output);
        Assert.Equal("run", json.GetProperty("kind").GetString());
        Assert.Equal(6, json.GetProperty("step").GetInt32());
        Assert.Equal("bfloat16", json.GetProperty("settings").GetProperty("numerics").GetProperty("type").GetString(), ignoreCase: true);
        Assert.Matches("^[0-9a-f]{32}$", json.GetProperty("result").GetProperty("weightsHash").GetString());
    }
}
