using System.Text.Json;
using Offload.Swap.Planning;

namespace Offload.Cli.Tests;

[Collection(nameof(ProcessWide))]
public sealed class PlanTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-plan-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Plan_ALargeModelFromItsConfigAlone_IsOneObjectWithAllFields()
    {
        CliRun run = Plan("8b", "rtx4090-2ssd", "--json");

        Assert.Equal(0, run.ExitCode);
        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        JsonElement plan = run.LastJson;
        Assert.True(plan.GetProperty("feasible").GetBoolean());
        double seconds = plan.GetProperty("stepSeconds").GetDouble();
        Assert.Equal(16384 / seconds, plan.GetProperty("tokensPerSecond").GetDouble(), 1e-6 * 16384 / seconds);
        JsonElement lanes = plan.GetProperty("lanes");
        string bottleneck = plan.GetProperty("bottleneck").GetString()!;
        Assert.Equal(lanes.EnumerateObject().Max(lane => lane.Value.GetDouble()), lanes.GetProperty(bottleneck).GetDouble());
        Assert.All(lanes.EnumerateObject(), lane => Assert.InRange(lane.Value.GetDouble(), 0, seconds * 1.001));

        // Nothing of the hardware's is exceeded, and what is computed again counts in the one and not in the other.
        Assert.InRange(plan.GetProperty("memory").GetProperty("gpuBytes").GetInt64(), 1, 24L << 30);
        Assert.InRange(plan.GetProperty("memory").GetProperty("cpuBytes").GetInt64(), 1, 128L << 30);
        Assert.InRange(plan.GetProperty("hardwareTflops").GetDouble(), plan.GetProperty("modelTflops").GetDouble() * 0.99, 157);
        Assert.True(plan.GetProperty("ssd").TryGetProperty("driveLifeDays", out _));
        Assert.Equal(JsonValueKind.Object, plan.GetProperty("plan").ValueKind);
        Assert.InRange(plan.GetProperty("advice").GetArrayLength(), 0, 3);
    }

    [Fact]
    public void Plan_OnATerminal_TellsDecisionsPredictionAndMemory()
    {
        CliRun run = Plan("8b", "rtx4090-2ssd", "--states", "nvme", "--tokens-per-step", "65536");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("64 sequences of 1024 tokens a step (65,536 tokens), on rtx4090-2ssd", run.Output);
        foreach (string part in (string[])["order ", "micro-batch ", "weights ", "states ", "activations ", "slots ", "the bottleneck", "model TFLOP/s", "GPU memory ", "CPU memory ", "SSD a step ", "without a pause the drives last"])
        {
            Assert.Contains(part, run.Output);
        }

        Assert.Contains("states        layers: 32 Nvme", run.Output);
    }

    [Fact]
    public void Plan_WithSave_WritesWhatJsonShows()
    {
        string file = Path.Combine(_folder, "plan.json");

        CliRun run = Plan("8b", "a100-1ssd", "--save", file, "--json", "--micro-batch", "4", "--tokens-per-step", "16384");

        Assert.Equal(0, run.ExitCode);
        SavedPlan saved = PlanFile.Read(file);
        Assert.Equal((4, 4, 1024), (saved.MicroBatchSequences, saved.NumMicroBatches, saved.SequenceTokens));
        Assert.Equal(34, saved.Plan.Units.Count);
        Assert.Equal(saved.ModelHash, run.LastJson.GetProperty("plan").GetProperty("modelHash").GetString());
        Assert.Equal(2, Plan("8b", "a100-1ssd", "--save", file).ExitCode);
    }

    [Fact]
    public void Plan_WhatFitsNowhere_Exits3AndSaysWhatIsShort()
    {
        string[] tight = ["--gpu-memory", "64MiB", "--json"];

        CliRun run = Plan("8b", "rtx3090-1ssd", tight);

        Assert.Equal(3, run.ExitCode);
        Assert.Single(run.Output.TrimEnd('\n').Split('\n'));
        Assert.False(run.LastJson.GetProperty("feasible").GetBoolean());
        Assert.Equal(JsonValueKind.Null, run.LastJson.GetProperty("stepSeconds").ValueKind);
        Assert.Contains("GPU memory: ", run.LastJson.GetProperty("reasons")[0].GetString());
        Assert.True(run.LastJson.GetProperty("shortfalls")[0].GetProperty("shortBytes").GetInt64() > 0);

        CliRun text = Plan("8b", "rtx3090-1ssd", "--gpu-memory", "64MiB");
        Assert.Equal((3, ""), (text.ExitCode, text.Output));
        Assert.Contains("no plan fits:", text.Error);
    }

    [Fact]
    public void Plan_MoreOfTheBottleneck_IsFaster()
    {
        double Seconds(params string[] options) => Plan("8b", "rtx4090-1ssd", ["--states", "nvme", "--json", .. options]).LastJson.GetProperty("stepSeconds").GetDouble();

        Assert.True(Seconds("--hardware-set", "ssd.writeGBps=6", "--hardware-set", "ssd.mixedWriteGBps=5") < Seconds());
    }

    [Theory]
    [InlineData("layer-major")]
    [InlineData("micro-batch-major")]
    [InlineData("fuyou")]
    [InlineData("zero-infinity")]
    public void Plan_EachSchedule_IsPlanned(string schedule)
    {
        CliRun run = Plan("8b", "rtx4090-4ssd", "--schedule", schedule, "--json", "--state-bytes", "published");

        Assert.Equal((0, true), (run.ExitCode, run.LastJson.GetProperty("feasible").GetBoolean()));
        Assert.Equal(schedule.Replace("-", "", StringComparison.Ordinal), run.LastJson.GetProperty("plan").GetProperty("plan").GetProperty("order").GetString(), ignoreCase: true);
    }

    [Fact]
    public void Plan_WithTimelines_DrawsTheStep()
    {
        string[] files = [Path.Combine(_folder, "step.png"), Path.Combine(_folder, "step.html"), Path.Combine(_folder, "step.json")];

        CliRun run = Plan("small", "rtx4090-1ssd", [.. files.SelectMany(file => new[] { "--timeline", file })]);

        Assert.Equal(0, run.ExitCode);
        Assert.All(files, file => Assert.True(new FileInfo(file).Length > 1000));
        using JsonDocument trace = JsonDocument.Parse(File.ReadAllBytes(files[2]));
        Assert.Contains(trace.RootElement.GetProperty("traceEvents").EnumerateArray(), one => one.GetProperty("name").GetString() == "Forward layer 1");
    }

    [Theory]
    [InlineData("--hardware is missing: expected a hardware profile", "--model", "x")]
    [InlineData("--model is missing: expected a folder with a config.json", "--hardware", "h100-1ssd")]
    [InlineData("no hardware profile named 'h200'", "--model", "x", "--hardware", "h200")]
    [InlineData("hardware setting 'gpu.x=1': no number named 'gpu.x'", "--model", "x", "--hardware", "h100-1ssd", "--hardware-set", "gpu.x=1")]
    [InlineData("--schedule: expected layer-major, micro-batch-major, fuyou or zero-infinity, found 'x'", "--model", "x", "--hardware", "h100-1ssd", "--schedule", "x")]
    [InlineData("--timeline: expected a file ending in .png, .html or .json, found x.gif", "--model", "x", "--hardware", "h100-1ssd", "--timeline", "x.gif")]
    public void Plan_BadOptions_Exits2(string message, params string[] options)
    {
        CliRun run = CliRun.InProcess(["plan", .. options]);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {message}", run.Error);
    }

    [Theory]
    [InlineData("--gpu-memory: expected at most the hardware's 24 GiB, found 25 GiB", "--gpu-memory", "25GiB")]
    [InlineData("--seq-len 9000: expected at most 8192", "--seq-len", "9000")]
    [InlineData("--tokens-per-step 512: expected at least --seq-len, 1024", "--tokens-per-step", "512")]
    public void Plan_OptionsThatContradictModelOrMachine_Exits2(string message, params string[] options)
    {
        CliRun run = Plan("8b", "rtx4090-1ssd", options);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith($"error: {message}", run.Error);
    }

    [Fact]
    public void Plan_NoModel_Exits5() => Assert.Equal(5, CliRun.InProcess("plan", "--model", Path.Combine(_folder, "nothing"), "--hardware", "h100-1ssd").ExitCode);

    private CliRun Plan(string model, string hardware, params string[] options)
    {
        (int hidden, int layers, int mlp, int vocabulary) = model == "8b" ? (4096, 32, 14336, 128256) : (256, 3, 512, 1000);
        string folder = Path.Combine(_folder, model);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), FormattableString.Invariant(
            $$"""
            {
              "model_type": "llama", "hidden_size": {{hidden}}, "num_hidden_layers": {{layers}}, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": {{mlp}},
              "vocab_size": {{vocabulary}}, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 500000.0, "tie_word_embeddings": false
            }
            """));
        return CliRun.InProcess(["plan", "--model", folder, "--hardware", hardware, .. options]);
    }
}
