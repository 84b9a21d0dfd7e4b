using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Offload.Acceptance.Import;
using Offload.Engine.Models;
using Offload.Storage.Files;
using Offload.Tests.Infrastructure;

namespace Offload.Acceptance.Memory;

/// <summary>
/// Law 5: a model whose states are at least 3 GB is trained from drives under budgets, from import to export, and the program's largest resident
/// memory is what it takes without a model plus at most 1.05 times the budgets of both tiers, which share the RAM. One of four times the depth
/// needs no more. What the program takes without a model (.NET, libtorch's code) is that of the same command with a model of some thousand parameters.
/// </summary>
internal static class SwapMemory
{
    private const long CpuMebibytes = 1024;
    private const long GpuMebibytes = 512;
    private const double MaxRatio = 1.05;
    private const long WantedStateBytes = 3_000_000_000;
    private const int TimesDeeper = 4;

    // One head a hundred wide or so, few and wide layers: 46 million parameters each.
    private const int Hidden = 2048;
    private const int Intermediate = 5632;
    private const int NumLayers = 6;
    private const int SequenceTokens = 64;

    /// <summary>Left free on the disk.</summary>
    private const long SpareBytes = 4L << 30;

    /// <summary>For each parameter: checkpoint, two generations of states, weights that wait on the drive and gradients, export.</summary>
    private const int DiskBytesPerParameter = 2 + 24 + 4 + 2;

    public static bool Run(TextWriter output)
    {
        string folder = Directory.CreateTempSubdirectory("offload-memory-").FullName;
        try
        {
            long emptyBytes = PeakOf(Path.Combine(folder, "empty"), TinyModel.Write(Path.Combine(folder, "empty", "model")), isFromScratch: true, output);
            long? shallow = Growth(folder, NumLayers, emptyBytes, output);
            long? deep = Growth(folder, NumLayers * TimesDeeper, emptyBytes, output);
            if (shallow is not { } less || deep is not { } more)
            {
                return false;
            }

            // What a step's schedule and the store's table take goes with depth, and is next to nothing.
            bool isFlat = more <= less * MaxRatio;
            output.WriteLine(FormattableString.Invariant($"{TimesDeeper} times the depth takes {more / (double)less:F3} times as much, at most {MaxRatio}"));
            return isFlat && Math.Max(less, more) <= LimitBytes;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static long LimitBytes => (long)(((CpuMebibytes + GpuMebibytes) << 20) * MaxRatio);

    /// <summary>Largest resident memory above the empty program's; null: the disk has no room for it.</summary>
    private static long? Growth(string parent, int numLayers, long emptyBytes, TextWriter output)
    {
        string folder = Path.Combine(parent, numLayers.ToString(CultureInfo.InvariantCulture));
        string model = TinyModel.Write(Path.Combine(folder, "model"), config => Enlarge(config, numLayers));
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(model));
        long stateBytes = layout.NumParameters * 12;
        if (stateBytes < WantedStateBytes)
        {
            throw new InvalidOperationException($"{stateBytes} bytes of states are too few");
        }

        long roomBytes = DiskSpace.AvailableBytes(folder) - SpareBytes;
        if (roomBytes < layout.NumParameters * DiskBytesPerParameter)
        {
            output.WriteLine(FormattableString.Invariant($"{folder} has room for {roomBytes / 1e9:F1} GB, {layout.NumParameters * DiskBytesPerParameter / 1e9:F1} are needed; TMPDIR names another folder"));
            return null;
        }

        SyntheticCheckpoint.Write(model, layout);
        output.WriteLine(FormattableString.Invariant($"{numLayers} layers: {layout.NumParameters / 1e6:F0} million parameters, {stateBytes / 1e9:F2} GB of states"));
        long growth = PeakOf(folder, model, isFromScratch: false, output) - emptyBytes;
        output.WriteLine(FormattableString.Invariant($"{numLayers} layers: {growth >> 20} MiB above the empty program, at most {LimitBytes >> 20}"));
        Directory.Delete(folder, recursive: true);
        return growth;
    }

    private static void Enlarge(JsonObject config, int numLayers)
    {
        config["hidden_size"] = Hidden;
        config["intermediate_size"] = Intermediate;
        config["num_attention_heads"] = 16;
        config["num_key_value_heads"] = 8;
        config["num_hidden_layers"] = numLayers;
    }

    /// <summary>Trains with the program, and returns its largest resident memory.</summary>
    private static long PeakOf(string folder, string model, bool isFromScratch, TextWriter output)
    {
        string text = TinyModel.WriteText(Path.Combine(folder, "text.txt"), 400);
        string run = Path.Combine(folder, "run");
        long start = Stopwatch.GetTimestamp();
        string[] args =
        [
            "train", "--model", model, "--data", text, "--output", run, "--nvme", Path.Combine(folder, "drive"), "--device", "cpu",
            "--cpu-memory", $"{CpuMebibytes}MiB", "--gpu-memory", $"{GpuMebibytes}MiB", "--seq-len", $"{SequenceTokens}", "--micro-batch", "1",
            "--tokens-per-step", $"{2 * SequenceTokens}", "--steps", "2", "--eval-fraction", "0.05", "--json", .. isFromScratch ? ["--from-scratch"] : Array.Empty<string>(),
        ];
        using var process = new OffloadProcess(args);
        if (process.Wait() != 0)
        {
            throw new InvalidOperationException($"offload {string.Join(' ', args)}: {process.Error}");
        }

        string last = process.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Last();
        JsonNode result = JsonNode.Parse(last)!;
        long peakBytes = result["peakCpuBytes"]!.GetValue<long>();
        long gpuBytes = result["peakGpuBytes"]!.GetValue<long>();
        foreach (string line in process.Error.Split('\n').Where(line => line.Contains("plan:", StringComparison.Ordinal)))
        {
            output.WriteLine(line);
        }

        output.WriteLine(FormattableString.Invariant(
            $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s; peak {peakBytes >> 20} MiB, of the GPU tier {gpuBytes >> 20}"));
        return isFromScratch ? peakBytes - gpuBytes : peakBytes;
    }
}
