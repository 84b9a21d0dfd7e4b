using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Offload.Engine.Models;
using Offload.Storage.Files;
using Offload.Storage.States;
using Offload.Tests.Infrastructure;

namespace Offload.Acceptance.Import;

/// <summary>
/// A large bfloat16 checkpoint becomes a store, is verified and exported, each in a process of its own: none may hold more memory than a fixed
/// amount above one that does nothing, and the exported tensors are the imported ones, byte for byte.
/// </summary>
internal static class LargeImport
{
    /// <summary>What the check is called, and how a process that it starts knows what it is for.</summary>
    public const string Name = "import";

    private const long WantedCheckpointBytes = 3_000_000_000;
    private const long MaxExtraBytes = 300L << 20;

    /// <summary>Two generations of 12 bytes for each parameter of 2 bytes, and the exported copy.</summary>
    private const int DiskBytesPerCheckpointByte = 12 + 1 + 1;

    /// <summary>Left free on the disk.</summary>
    private const long SpareBytes = 1L << 30;

    public static bool Run(TextWriter output)
    {
        string folder = Directory.CreateTempSubdirectory("offload-import-").FullName;
        try
        {
            return Run(folder, output);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool Run(string folder, TextWriter output)
    {
        long roomBytes = (DiskSpace.AvailableBytes(folder) - SpareBytes) / DiskBytesPerCheckpointByte;
        string model = TinyModel.Write(Path.Combine(folder, "model"), config => Enlarge(config, Math.Min(WantedCheckpointBytes, roomBytes)));
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(model));
        long checkpointBytes = 2 * layout.NumParameters;
        output.WriteLine(FormattableString.Invariant(
            $"{folder}: a checkpoint of {checkpointBytes / 1e9:F2} GB, a store of {StoreBytes(layout) / 1e9:F2} GB{(checkpointBytes < 0.97 * WantedCheckpointBytes ? "; the disk has no room for more" : "")}"));
        SyntheticCheckpoint.Write(model, layout);
        long emptyBytes = PeakOf("empty", folder, output);
        bool holds = true;
        foreach (string stage in ImportStage.Names)
        {
            long extraBytes = PeakOf(stage, folder, output) - emptyBytes;
            holds &= extraBytes <= MaxExtraBytes;
            output.WriteLine(FormattableString.Invariant($"{stage}: {extraBytes / 1048576.0:F0} MiB above the empty program, at most {MaxExtraBytes >> 20}"));
        }

        string? difference = SyntheticCheckpoint.Difference(model, Path.Combine(folder, ImportStage.ExportFolder));
        output.WriteLine(difference ?? "the exported tensors are the imported ones");
        return holds && difference is null;
    }

    private static long StoreBytes(ModelLayout layout) => StoreGeometry.Of(ImportStage.Describe(layout)).SizeBytes;

    /// <summary>As many layers as the size asks for.</summary>
    private static void Enlarge(JsonObject config, long sizeBytes)
    {
        const int Hidden = 2048;
        const int Intermediate = 5632;
        const int Vocabulary = 32000;
        long layerParameters = (2L * Hidden * Hidden) + (2L * Hidden * Hidden / 4) + (3L * Hidden * Intermediate) + (2 * Hidden);
        config["vocab_size"] = Vocabulary;
        config["hidden_size"] = Hidden;
        config["intermediate_size"] = Intermediate;
        config["num_attention_heads"] = 32;
        config["num_key_value_heads"] = 8;
        config["num_hidden_layers"] = Math.Max(1, ((sizeBytes / 2) - (2L * Vocabulary * Hidden)) / layerParameters);
    }

    /// <summary>Runs this program again for one stage; its largest resident memory.</summary>
    private static long PeakOf(string stage, string folder, TextWriter output)
    {
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Name, stage, folder]) { RedirectStandardOutput = true })!;
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"stage {stage} ended with {process.ExitCode}");
        }

        long peakBytes = long.Parse(text, CultureInfo.InvariantCulture);
        output.WriteLine(FormattableString.Invariant($"{stage}: {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s, {peakBytes / 1048576.0:F0} MiB"));
        return peakBytes;
    }
}
