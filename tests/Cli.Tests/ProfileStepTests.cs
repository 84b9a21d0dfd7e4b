using System.Text.Json;
using Offload.Tests.Infrastructure;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class ProfileStepTests : IDisposable
{
    private const string Leftovers = "offload-profile-*-*";

    private readonly string _folder = Directory.CreateTempSubdirectory("offload-step-").FullName;
    private readonly string _model;
    private readonly string[] _leftBefore = Left();

    public ProfileStepTests() => _model = TinyModel.Write(Path.Combine(_folder, "model"));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("speculative")]
    [InlineData("deferred")]
    [InlineData("separate")]
    public void Profile_StatesOnDrives_TellsOfEveryLaneAndLeavesNothing(string update)
    {
        CliRun run = Profile("--gpu-memory", "1GiB", "--nvme", Nvme("a"), "--nvme", Nvme("b/c"), "--states", "nvme", "--update", update, "--hardware", "rtx4090-2ssd", "--steps", "3", "--json");

        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        JsonElement profile = run.LastJson;
        Assert.Equal((update, 3, "rtx4090-2ssd", false), (Text(profile, "update").ToLowerInvariant(), profile.GetProperty("steps").GetInt32(), Text(profile, "hardware"), profile.GetProperty("isPredictionGuessed").GetBoolean()));
        double[] each = [.. profile.GetProperty("stepSecondsEach").EnumerateArray().Select(one => one.GetDouble())];
        double step = profile.GetProperty("stepSeconds").GetDouble();
        Assert.Equal(each.Order().ElementAt(1), step);
        Assert.Equal(64 / step, profile.GetProperty("tokensPerSecond").GetDouble(), 1e-6 * 64 / step);
        Assert.True(profile.GetProperty("predictedStepSeconds").GetDouble() > 0 && profile.GetProperty("modelTflops").GetDouble() > 0);

        JsonElement[] lanes = [.. profile.GetProperty("lanes").EnumerateArray()];
        Assert.Equal(["Compute", "H2D", "D2H", "SsdRead", "SsdWrite", "CpuUpdate"], lanes.Select(lane => Text(lane, "name")));
        double pace = lanes.Max(lane => lane.GetProperty("busySeconds").GetDouble() + lane.GetProperty("idleSeconds").GetDouble());
        Assert.InRange(pace, each.Min() / 2, each.Max() * 2);
        Assert.All(lanes, lane =>
        {
            double busy = lane.GetProperty("busySeconds").GetDouble();
            double idle = lane.GetProperty("idleSeconds").GetDouble();
            // Steps overlap: the pace of the lane that goes on slowest, which all are measured by, is not quite the mean of the steps.
            Assert.Equal(pace, busy + idle, 1e-6 + (1e-3 * pace));
            Assert.True(busy > 0 && lane.GetProperty("predictedBusySeconds").GetDouble() > 0 && lane.GetProperty("operations").GetInt32() > 0);
            Assert.True(lane.GetProperty("achievedRate").GetDouble() > 0 && lane.GetProperty("profileRate").GetDouble() > 0);
            Assert.All(lane.GetProperty("waitedForSeconds").EnumerateObject(), cause => Assert.True(cause.Value.GetDouble() > 0));
        });
        Assert.Contains(Text(profile, "mostDifferentLane"), lanes.Select(lane => Text(lane, "name")));
        string bottleneck = lanes.MaxBy(lane => lane.GetProperty("busySeconds").GetDouble()).GetProperty("name").GetString()!;
        Assert.Equal(bottleneck, Text(profile, "bottleneck"));

        // All states are read and written once, a parameter's in 12 bytes; the rest is padding, checksums and commits.
        Assert.Equal(35040, profile.GetProperty("numParameters").GetInt64());
        Assert.Equal(35040, Amount("CpuUpdate"));
        Assert.InRange(profile.GetProperty("ssdBytesReadPerStep").GetDouble(), 12 * 35040, 1.5 * 12 * 35040);
        Assert.InRange(profile.GetProperty("ssdBytesWrittenPerStep").GetDouble(), 12 * 35040, 1.5 * 12 * 35040);
        JsonElement memory = profile.GetProperty("memory");
        Assert.InRange(memory.GetProperty("gpuBytes").GetInt64(), 1, memory.GetProperty("gpuBudgetBytes").GetInt64());
        Assert.InRange(memory.GetProperty("cpuBytes").GetInt64(), 1, memory.GetProperty("cpuBudgetBytes").GetInt64());
        Assert.True(memory.GetProperty("driveBytes").GetInt64() > 24 * 35040 && memory.GetProperty("processBytes").GetInt64() > 0);
        RequireNothingLeft();

        double Amount(string name) => lanes.Single(lane => Text(lane, "name") == name).GetProperty("amount").GetDouble();
    }

    [Fact]
    public void Profile_OnATerminalWithTimelines_DrawsBothAndSaysThatItGuesses()
    {
        string[] files = [Nvme("step.png"), Nvme("step.html"), Nvme("step.json")];

        CliRun run = Profile(["--update", "deferred", "--cpu-memory", "1GiB", "--steps", "2", "--data", TinyModel.WriteText(Nvme("data.txt")), .. files.SelectMany(file => new[] { "--timeline", file })]);

        Assert.True(run.ExitCode == 0, run.Error);
        foreach (string part in (string[])["model: 35,040 parameters, ", "LayerMajor, Deferred updates", "median of 2", "tokens/s", "predicted ", "a guess: measure this machine with 'offload profile hardware'", "the bottleneck", "waits for ", "GPU memory ", "CPU memory "])
        {
            Assert.Contains(part, run.Output);
        }

        Assert.Equal([0x89, 0x50, 0x4E, 0x47], File.ReadAllBytes(files[0])[..4]);
        string page = File.ReadAllText(files[1]);
        Assert.Contains("predicted against measured", page);
        Assert.DoesNotContain("http", page.Replace("http://www.w3.org", "", StringComparison.Ordinal));
        using JsonDocument trace = JsonDocument.Parse(File.ReadAllBytes(files[2]));
        JsonElement[] events = [.. trace.RootElement.GetProperty("traceEvents").EnumerateArray()];
        Assert.Equal(["predicted", "measured"], events.Where(one => Text(one, "name") == "process_name").Select(one => Text(one.GetProperty("args"), "name")));

        // The measured steps and the one before.
        Assert.Equal(3, events.Where(one => Text(one, "ph") == "X" && one.GetProperty("pid").GetInt32() == 2).Select(one => one.GetProperty("args").GetProperty("step").GetInt64()).Distinct().Count());
        foreach (IGrouping<(int, int), JsonElement> track in events.Where(one => Text(one, "ph") == "X").GroupBy(one => (one.GetProperty("pid").GetInt32(), one.GetProperty("tid").GetInt32())))
        {
            decimal end = 0;
            foreach (JsonElement one in track.OrderBy(one => one.GetProperty("ts").GetDecimal()))
            {
                Assert.True(one.GetProperty("ts").GetDecimal() >= end);
                end = one.GetProperty("ts").GetDecimal() + one.GetProperty("dur").GetDecimal();
            }
        }

        RequireNothingLeft([.. files, Nvme("data.txt")]);
    }

    [Fact]
    public void Profile_SavedPlan_IsTheOneMeasured()
    {
        string plan = Nvme("plan.json");
        Assert.Equal(0, CliRun.InProcess("plan", "--model", _model, "--hardware", "rtx4090-1ssd", "--seq-len", "16", "--tokens-per-step", "64", "--micro-batch", "2", "--schedule", "zero-infinity", "--save", plan).ExitCode);

        CliRun run = Profile("--plan", plan, "--nvme", Nvme("drive"), "--warmup", "0", "--steps", "2", "--sequential", "--json");

        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal(("ZeroInfinity", 2, 2), (Text(run.LastJson, "order"), run.LastJson.GetProperty("numMicroBatches").GetInt32(), run.LastJson.GetProperty("stepSecondsEach").GetArrayLength()));
        Assert.Equal(JsonValueKind.Null, run.LastJson.GetProperty("memory").GetProperty("gpuBudgetBytes").ValueKind);
        RequireNothingLeft(plan);
    }

    [Fact]
    public void Profile_Interrupted_LeavesNothing()
    {
        using var process = new OffloadProcess(Args("--gpu-memory", "1GiB", "--nvme", Nvme("drive"), "--states", "nvme", "--update", "separate", "--steps", "1000", "--tokens-per-step", "2048"));
        Assert.True(SpinWait.SpinUntil(() => Directory.Exists(Nvme("drive")), TimeSpan.FromSeconds(60)), process.Output);

        Assert.True(process.Interrupt());
        Assert.Equal(130, process.Wait());
        RequireNothingLeft();
    }

    [Theory]
    [InlineData(2, "expected --gpu-memory, --schedule, --update or --plan: ")]
    [InlineData(2, "--states nvme: expected --nvme with it", "--gpu-memory", "1GiB", "--states", "nvme")]
    [InlineData(2, "immediate updates: expected --max-grad-norm 0, found 1", "--update", "immediate")]
    [InlineData(2, "--steps 1001, --warmup 2: expected at most 1000 of each", "--update", "deferred", "--steps", "1001")]
    [InlineData(2, "--steps: expected a whole number of at least 1, found '0'", "--update", "deferred", "--steps", "0")]
    [InlineData(2, "--timeline: expected a file ending in .png, .html or .json, found x.gif", "--update", "deferred", "--timeline", "x.gif")]
    [InlineData(2, "no hardware profile named 'h200'", "--update", "deferred", "--hardware", "h200")]
    [InlineData(3, "", "--update", "deferred", "--gpu-memory", "64KiB")]
    [InlineData(5, "", "--update", "deferred", "--data", "/nowhere.txt")]
    public void Profile_BadOptions_AreOneLineAndLeaveNothing(int exitCode, string message, params string[] options)
    {
        CliRun run = Profile(options);

        Assert.Equal((exitCode, ""), (run.ExitCode, run.Output));
        Assert.Contains($"error: {message}", run.Failure);
        RequireNothingLeft();
    }

    private static string[] Left() => Directory.GetFileSystemEntries(Path.GetTempPath(), Leftovers);

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private string Nvme(string name) => Path.Combine(_folder, name);

    private string[] Args(params string[] further)
    {
        (string Name, string Value)[] usual = [("--seq-len", "16"), ("--micro-batch", "2"), ("--tokens-per-step", "64"), ("--threads", "1")];
        return ["profile", "step", "--model", _model, "--from-scratch", .. usual.Where(option => !further.Contains(option.Name)).SelectMany(option => new[] { option.Name, option.Value }), .. further];
    }

    private CliRun Profile(params string[] further) => CliRun.InProcess(Args(further));

    private void RequireNothingLeft(params string[] made)
    {
        Assert.Equal([.. made.Append(_model).Order()], Directory.GetFileSystemEntries(_folder).Order());
        Assert.Empty(Left().Except(_leftBefore));
    }
}
