using System.Text.Json;
using Offload.Profiles.Hardware;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class ProfileHardwareTests : IDisposable
{
    private static readonly string[] Quick = ["profile", "hardware", "--seconds", "0.02", "--working-set", "8MiB"];

    private readonly string _folder = Directory.CreateTempSubdirectory("offload-profile-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Profile_WithJson_IsOneObjectWithWhatTheFileHolds()
    {
        string file = Path.Combine(_folder, "here.json");

        CliRun run = CliRun.InProcess([.. Quick, "--threads", "1", "--name", "here", "--nvme", Path.Combine(_folder, "drive"), "--size", "8MiB", "--output", file, "--json"]);

        Assert.Equal(0, run.ExitCode);
        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        HardwareProfile profile = HardwareProfiles.Load(file);
        Assert.Equal("here", profile.Name);
        Assert.NotNull(profile.Ssd);
        Assert.Equal(Environment.ProcessorCount, profile.Cpu.Cores);
        JsonElement json = run.LastJson.GetProperty("profile");
        Assert.Equal(profile.Gpu.MatmulTflops, json.GetProperty("gpu").GetProperty("matmulTflops").GetDouble());
        Assert.Equal(profile.Ssd.MixedReadGBps, json.GetProperty("ssd").GetProperty("mixedReadGBps").GetDouble());
        Assert.True(profile.Gpu.DuplexGBps <= profile.Gpu.H2dGBps);
        Assert.Equal([file], Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void Profile_OnATerminal_TellsEveryRateOfTheProfile()
    {
        CliRun run = CliRun.InProcess([.. Quick, "--dtype", "float32"]);

        Assert.Equal(0, run.ExitCode);
        foreach (string name in (string[])
            ["gpu.matmulTflops", "gpu.attentionForwardTflops", "gpu.attentionBackwardTflops", "gpu.h2dGBps", "gpu.d2hGBps", "gpu.duplexGBps", "cpu.memoryGBps", "cpu.adamGParamsPerSecond"])
        {
            Assert.Matches($@"\n{name} +[\d.E+-]+ +[\d.E+-]+ +[\d.E+-]+ ", run.Output);
        }

        Assert.Contains("float32 gradients", run.Output);
        Assert.Contains("No drives measured", run.Output);
        Assert.Contains("measuring AdamW", run.Error);
    }

    [Theory]
    [InlineData("--size: without --nvme no drive is measured", "--size", "8MiB")]
    [InlineData("--output: /etc/hostname exists", "--output", "/etc/hostname")]
    [InlineData("--device: expected cpu, cuda or cuda:N, found 'cuda:x'", "--device", "cuda:x")]
    [InlineData("a working set of 1125899906842624 bytes is too large", "--working-set", "1024TiB")]
    [InlineData("--seconds: expected a number of at least 0, found 'x'", "--seconds", "x")]
    public void Profile_BadOptions_Exits2(string message, params string[] options)
    {
        CliRun run = CliRun.InProcess(["profile", "hardware", .. options]);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {message}", run.Failure);
    }

    [Fact]
    public void Profile_GpuWithoutCuda_IsOneErrorAndMeasuresNothing()
    {
        CliRun run = CliRun.InProcess([.. Quick, "--device", "cuda:1", "--output", Path.Combine(_folder, "here.json")]);

        // libtorch without CUDA, or no driver, or no second GPU: all are the machine's, not the options'.
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Contains("CUDA", run.Failure);
        Assert.DoesNotContain("measuring", run.Error);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }
}
