using System.Text.Json;
using Offload.Engine.Profiling;
using Offload.Profiles;
using Offload.Profiles.Hardware;

namespace Offload.Cli.Benchmarks;

/// <summary>Measures rows of the suite, one process each, one after the other. One thread.</summary>
/// <param name="settings">What they have in common.</param>
/// <param name="hardware">The profile that <see cref="GpuBenchSettings.HardwareFile"/> names.</param>
/// <param name="error">Told how it goes on.</param>
internal sealed class GpuBench(GpuBenchSettings settings, HardwareProfile hardware, TextWriter error)
{
    /// <summary>Measures one row; that it fails is a result.</summary>
    /// <param name="row">Which.</param>
    /// <param name="cancellation">Stops the row.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    internal GpuBenchResult Measure(GpuBenchRow row, CancellationToken cancellation)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("offload-bench-gpu-");
        try
        {
            string last = "";
            void Tell(string line)
            {
                last = line;
                error.WriteLine($"{row.Name}: {line}");
            }

            (int exitCode, string result) = ChildProcess.Run(row.Arguments(row.Shape.Write(folder.FullName), settings), Tell, cancellation);
            return exitCode == 0 ? GpuBenchResult.Of(row, JsonLine.Read<StepProfile>(result), hardware) : Failed(row, exitCode, result, last);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Has a process measure this machine.</summary>
    /// <param name="file">Where its profile goes.</param>
    /// <param name="device">Value of <c>--device</c>.</param>
    /// <param name="nvmeFolders">Drives to measure too.</param>
    /// <param name="common">Words that every process is given.</param>
    /// <param name="error">Told how it goes on.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="ChildProcessException">It failed.</exception>
    internal static void MeasureHardware(string file, string device, IReadOnlyList<string> nvmeFolders, IReadOnlyList<string> common, TextWriter error, CancellationToken cancellation)
    {
        string last = "";
        (int exitCode, string result) = ChildProcess.Run(
            ["profile", "hardware", "--json", "--device", device, "--output", file, .. nvmeFolders.SelectMany(folder => new[] { "--nvme", folder }), .. common],
            line => error.WriteLine($"hardware: {last = line}"),
            cancellation);
        if (exitCode != 0)
        {
            throw new ChildProcessException(
                $"this machine could not be measured: {Reason(exitCode, result, last)}", "give --hardware, a profile by its file or name", Enum.IsDefined((ExitCode)exitCode) ? (ExitCode)exitCode : ExitCode.Failed);
        }
    }

    private static GpuBenchResult Failed(GpuBenchRow row, int exitCode, string result, string last) => new() { Row = row.Name, ExitCode = exitCode, Error = Reason(exitCode, result, last) };

    /// <summary>The process's own words; if it was killed, it has none.</summary>
    private static string Reason(int exitCode, string result, string last)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(result);
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("error", out JsonElement text))
            {
                return text.ToString();
            }
        }
        catch (JsonException)
        {
            // No result: said below.
        }

        return $"the process ended with code {exitCode}{(exitCode > 128 ? $" (signal {exitCode - 128})" : "")}{(last.Length > 0 ? $", after '{last}'" : "")}";
    }
}
