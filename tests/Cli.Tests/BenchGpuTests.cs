using System.Text.Json;
using Offload.Cli.Benchmarks;
using Offload.Profiles;
using Offload.Profiles.Hardware;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class BenchGpuTests : IDisposable
{
    private const long MiB = 1L << 20;
    private static readonly GpuBenchShape Tiny = new("tiny", 64, 32, 64, 2, 4, 2);
    private static readonly GpuBenchSettings OnCpu = new("cpu", "rtx4090-1ssd", [], 2, []);

    private readonly string _folder = Directory.CreateTempSubdirectory("offload-bench-").FullName;
    private readonly string[] _leftBefore = Left();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void All_Rows_AreThoseOfTheTable() => Assert.Equal(
        [
            "1b-64k-cpu-12: 65536 of 1024, cpu, GPU 12 GiB, CPU free",
            "1b-64k-cpu-24: 65536 of 1024, cpu, GPU 24 GiB, CPU free",
            "1b-16k-cpu-24: 16384 of 1024, cpu, GPU 24 GiB, CPU free",
            "1b-64k-free-12: 65536 of 1024, auto, GPU 12 GiB, CPU free",
            "1b-64k-free-24: 65536 of 1024, auto, GPU 24 GiB, CPU free",
            "1b-16k-free-24: 16384 of 1024, auto, GPU 24 GiB, CPU free",
            "7b-64k-cpu-24: 65536 of 1024, cpu, GPU 24 GiB, CPU 112 GiB",
            "3b-20-64k-nvme-12: 65536 of 1024, nvme, GPU 12 GiB, CPU 16 GiB",
            "1b-16k-nvme-12: 16384 of 1024, nvme, GPU 12 GiB, CPU 6 GiB",
        ],
        GpuBenchRow.All.Select(row =>
            $"{row.Name}: {row.TokensPerStep} of {row.SequenceTokens}, {row.States ?? "auto"}, GPU {Sizes.Format(row.GpuBytes)}, CPU {(row.CpuBytes is long bytes ? Sizes.Format(bytes) : "free")}"));

    [Theory]
    [InlineData("1b-64k-cpu-12", "1.1 G parameters")]
    [InlineData("3b-20-64k-nvme-12", "2.21 G parameters")]
    [InlineData("7b-64k-cpu-24", "6.738 G parameters")]
    public void Write_Shape_IsAConfigOfItsSize(string row, string size)
    {
        string folder = GpuBenchRow.All.Single(one => one.Name == row).Shape.Write(_folder);

        CliRun run = CliRun.InProcess("plan", "--model", folder, "--hardware", "h100-1ssd", "--seq-len", "1024", "--tokens-per-step", "1024", "--gpu-memory", "1MiB");

        Assert.Contains(size, run.Error);
    }

    [Fact]
    public void Select_Nothing_IsAllThatCanBe()
    {
        Assert.Equal(GpuBenchRow.All, GpuBenchRow.Select(null, hasDrives: true));
        Assert.Equal(GpuBenchRow.All.Take(7), GpuBenchRow.Select(null, hasDrives: false));
    }

    [Fact]
    public void Select_Names_AreInTheSuitesOrder() =>
        Assert.Equal(["1b-64k-cpu-24", "1b-16k-nvme-12"], GpuBenchRow.Select("1b-16k-nvme-12, 1b-64k-cpu-24", hasDrives: true).Select(row => row.Name));

    [Fact]
    public void Arguments_RowOnDrives_NameThemAndBothCeilings()
    {
        var settings = new GpuBenchSettings("cuda:1", "h.json", ["/a", "/b"], 3, ["--libtorch", "/t"]);

        Assert.Equal(
            "profile step --json --model m --from-scratch --device cuda:1 --dtype bfloat16 --seq-len 1024 --tokens-per-step 16384 --gpu-memory 12884901888B --hardware h.json"
            + " --states nvme --cpu-memory 6442450944B --steps 3 --nvme /a --nvme /b --libtorch /t",
            string.Join(' ', GpuBenchRow.All[8].Arguments("m", settings)));
        Assert.Equal(
            "profile step --json --model m --from-scratch --device cuda:1 --dtype bfloat16 --seq-len 1024 --tokens-per-step 65536 --gpu-memory 12884901888B --hardware h.json --steps 3 --libtorch /t",
            string.Join(' ', GpuBenchRow.All[3].Arguments("m", settings)));
    }

    [Theory]
    // 1e9 parameters: 10e9 bytes at 5 GB/s are 2 s, 12e9 at 4 are 3 s.
    [InlineData(5, 4, 0, 3, "drives, writing")]
    // 12e9 at 6 GB/s are 2 s; 10e9 at 2 GB/s are 5 s, and 12e9 without weights in memory are 6 s.
    [InlineData(2, 6, 0, 5, "drives, reading")]
    [InlineData(2, 6, 1, 6, "drives, reading")]
    [InlineData(2, 6, 0.5, 5.5, "drives, reading")]
    public void OfDrives_BothDirections_IsTheSlowerOne(double read, double write, double weightsOnDrives, double seconds, string of)
    {
        var drives = new SsdProfile { ReadGBps = 100, WriteGBps = 100, MixedReadGBps = read, MixedWriteGBps = write };

        GpuBenchFloor floor = GpuBenchFloor.OfDrives(1_000_000_000, weightsOnDrives, drives);

        Assert.Equal((seconds, of), (Math.Round(floor.Seconds, 9), floor.Of));
    }

    [Fact]
    public void Measure_TinyRowOnTheCpu_HasEveryNumber()
    {
        HardwareProfile hardware = HardwareProfiles.Find("rtx4090-1ssd");
        using var error = new StringWriter();
        var row = new GpuBenchRow("tiny-cpu", Tiny, 64, "cpu", 1024 * MiB, 1024 * MiB) { SequenceTokens = 16 };

        GpuBenchResult result = new GpuBench(OnCpu, hardware, error).Measure(row, CancellationToken.None);

        Assert.True(result.Error is null, $"{result.Error}\n{error}");
        Assert.Equal(64 / result.StepSeconds!.Value, result.TokensPerSecond!.Value, 1e-6 * result.TokensPerSecond.Value);
        Assert.True(result.ModelTflops > 0 && result.PredictedStepSeconds > 0 && result.GpuBytes > 0 && result.GpuBytes <= result.GpuBudgetBytes);
        Assert.Equal((result.PredictedStepSeconds!.Value / result.StepSeconds.Value) - 1, result.PredictionError!.Value, 9);
        // Lane by lane, once more from the profile's own numbers; the GPU computes at least the model's FLOPs: 6 a matrix parameter and token.
        double floor = result.Profile!.Lanes.Max(lane => lane.Name switch
        {
            "Compute" => lane.Amount / hardware.Gpu.MatmulTflops / 1e12,
            "H2D" => lane.Amount / hardware.Gpu.H2dGBps / 1e9,
            "D2H" => lane.Amount / hardware.Gpu.D2hGBps / 1e9,
            "CpuUpdate" => lane.Amount / hardware.Cpu.AdamGParamsPerSecond / 1e9,
            _ => 0,
        });
        Assert.Equal(floor, result.Floor!.Seconds, floor * 1e-9);
        Assert.Equal(result.StepSeconds.Value / floor, result.OfFloor!.Value, result.OfFloor.Value * 1e-9);
        // 64 * 32 twice; a layer: q and o of 32 * 32, k and v of 16 * 32, three of 64 * 32, two norms; a last norm.
        Assert.Equal((2 * 64 * 32) + (2 * ((2 * 32 * 32) + (2 * 16 * 32) + (3 * 64 * 32) + 64)) + 32, result.Profile.NumParameters);
        Assert.Equal(result.HostPeakBytes!.Value / (double)result.Profile.NumParameters, result.HostBytesPerParameter!.Value, 1e-3);
        Assert.InRange(result.ComputeIdle!.Value, 0, 1);
        Assert.Contains("micro-batch", result.Plan);
        Assert.Contains("states layers: ", result.Plan);
        Assert.Equal(1, result.Profile.Plan.StateShares.Gpu + result.Profile.Plan.StateShares.Cpu, 9);
        Assert.StartsWith("tiny-cpu ", GpuBenchText.Numbers(result));
        RequireNothingLeft();
    }

    [Fact]
    public void Measure_RowOnDrives_HasTheirFloor()
    {
        HardwareProfile hardware = HardwareProfiles.Find("rtx4090-1ssd");
        using var error = new StringWriter();
        var row = new GpuBenchRow("tiny-nvme", Tiny, 64, "nvme", 1024 * MiB, 1024 * MiB) { SequenceTokens = 16 };

        GpuBenchResult result = new GpuBench(OnCpu with { NvmeFolders = [Path.Combine(_folder, "drive")] }, hardware, error).Measure(row, CancellationToken.None);

        Assert.True(result.Error is null, $"{result.Error}\n{error}");
        Assert.Equal(1, result.Profile!.Plan.StateShares.Nvme, 9);
        Assert.Equal(GpuBenchFloor.OfDrives(result.Profile.NumParameters, result.Profile.Plan.WeightShares.Nvme, hardware.Ssd!), result.Floor);
        RequireNothingLeft();
    }

    [Fact]
    public void Measure_RowThatDoesNotFit_IsAResultWithItsError()
    {
        using var error = new StringWriter();
        var row = new GpuBenchRow("small", Tiny, 64, "cpu", 65536) { SequenceTokens = 16 };

        GpuBenchResult result = new GpuBench(OnCpu, HardwareProfiles.Find("rtx4090-1ssd"), error).Measure(row, CancellationToken.None);

        Assert.Equal(((int)ExitCode.Infeasible, null, null), (result.ExitCode, result.StepSeconds, result.Floor));
        Assert.False(string.IsNullOrEmpty(result.Error));
        Assert.Contains($"small: error: {result.Error}", error.ToString());
        RequireNothingLeft();
    }

    [Fact]
    public void Bench_RowsThatFail_AreReportedAndTheSuiteGoesOn()
    {
        string output = Path.Combine(_folder, "out.json");

        // Steps beyond what 'profile step' takes: every row fails before it allocates anything.
        CliRun run = CliRun.InProcess("bench", "gpu", "--device", "cpu", "--hardware", "h100-1ssd", "--rows", "1b-64k-free-12,1b-16k-cpu-24", "--steps", "1001", "--output", output, "--json");

        Assert.Equal(1, run.ExitCode);
        JsonElement[] rows = [.. run.LastJson.GetProperty("rows").EnumerateArray()];
        Assert.Equal(["1b-16k-cpu-24", "1b-64k-free-12"], rows.Select(row => row.GetProperty("row").GetString()));
        Assert.All(rows, row => Assert.Equal((2, "--steps 1001, --warmup 2"), (row.GetProperty("exitCode").GetInt32(), row.GetProperty("error").GetString()!.Split(':')[0])));
        Assert.Equal(run.LastLine, File.ReadAllText(output).TrimEnd());
        Assert.Equal("h100-1ssd", run.LastJson.GetProperty("hardware").GetProperty("name").GetString()!.ToLowerInvariant());
        RequireNothingLeft();
    }

    [Theory]
    [InlineData("--rows: no row named '2b'", "--rows", "2b,1b-64k-cpu-12")]
    [InlineData("--rows: no row named ''", "--rows", ",")]
    [InlineData("--rows 1b-16k-nvme-12: expected --nvme with it", "--rows", "1b-16k-nvme-12")]
    [InlineData("--device: expected cpu, cuda or cuda:N, found 'gpu'", "--device", "gpu")]
    [InlineData("--steps: expected a whole number of at least 1, found '0'", "--steps", "0")]
    [InlineData("no hardware profile named 'h200'", "--hardware", "h200")]
    [InlineData("--output: /etc/hostname exists", "--output", "/etc/hostname")]
    public void Bench_BadOptions_Exits2(string message, params string[] options)
    {
        CliRun run = CliRun.InProcess(["bench", "gpu", .. options]);

        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.Contains($"error: {message}", run.Error);
    }

    [Fact]
    public void Bench_HardwareWithoutDrives_IsRefusedForARowOnDrives()
    {
        string file = Path.Combine(_folder, "h.json");
        File.WriteAllBytes(file, HardwareProfileFile.Format(HardwareProfiles.Find("h100-1ssd") with { Ssd = null }));

        CliRun run = CliRun.InProcess("bench", "gpu", "--hardware", file, "--rows", "1b-16k-nvme-12", "--nvme", Path.Combine(_folder, "drive"));

        Assert.Equal(2, run.ExitCode);
        Assert.Contains("has no drives, and 1b-16k-nvme-12 needs them", run.Error);
    }

    private static string[] Left() =>
        [.. Directory.GetFileSystemEntries(Path.GetTempPath(), "offload-profile-*-*"), .. Directory.GetFileSystemEntries(Path.GetTempPath(), "offload-bench-gpu-*")];

    private void RequireNothingLeft()
    {
        Assert.Empty(Left().Except(_leftBefore));
        Assert.Empty(Directory.GetDirectories(_folder));
    }
}
