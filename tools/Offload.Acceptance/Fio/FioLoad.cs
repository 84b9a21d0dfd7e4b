using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace Offload.Acceptance.Fio;

/// <summary>A load by fio with its io_uring engine.</summary>
internal static class FioLoad
{
    /// <summary>fio's version; null if there is none.</summary>
    public static string? Version()
    {
        try
        {
            return Run("--version").Trim();
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    public static LoadResult Run(FioSettings settings, string path, LoadKind kind)
    {
        // fio by default changes every block it writes: that would be work for its processors that our load does not do.
        string[] common =
        [
            "--output-format=json", "--ioengine=io_uring", "--direct=1", "--scramble_buffers=0", "--time_based=1", $"--runtime={settings.Seconds}",
            $"--bs={settings.BlockBytes}", $"--filename={path}", "--thread=1",
        ];
        long halfBytes = settings.SizeBytes / 2;
        string json = kind == LoadKind.Mixed
            ? Run([.. common, $"--iodepth={settings.QueueDepth / 2}", "--name=read", "--rw=read", $"--size={halfBytes}", "--name=write", "--rw=write", $"--size={halfBytes}", $"--offset={halfBytes}"])
            : Run([.. common, $"--iodepth={settings.QueueDepth}", $"--name={kind}", $"--rw={(kind == LoadKind.Read ? "read" : "write")}", $"--size={settings.SizeBytes}"]);
        using JsonDocument report = JsonDocument.Parse(json);
        long bytes = 0;
        double seconds = 0;
        double cpuSeconds = 0;
        foreach (JsonElement job in report.RootElement.GetProperty("jobs").EnumerateArray())
        {
            foreach (string direction in (string[])["read", "write"])
            {
                bytes += job.GetProperty(direction).GetProperty("io_bytes").GetInt64();
                seconds = Math.Max(seconds, job.GetProperty(direction).GetProperty("runtime").GetDouble() / 1e3);
            }

            double percent = job.GetProperty("usr_cpu").GetDouble() + job.GetProperty("sys_cpu").GetDouble();
            cpuSeconds += percent / 100 * job.GetProperty("job_runtime").GetDouble() / 1e3;
        }

        return new LoadResult(bytes, seconds, cpuSeconds);
    }

    private static string Run(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("fio", arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"fio ended with {process.ExitCode}: {output}");
    }
}
