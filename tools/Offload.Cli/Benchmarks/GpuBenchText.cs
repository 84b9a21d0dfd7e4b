using System.Globalization;

namespace Offload.Cli.Benchmarks;

/// <summary>The suite's results for people.</summary>
internal static class GpuBenchText
{
    private const double GiB = 1L << 30;

    /// <summary>Writes the table, then the plans.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="report">What was measured.</param>
    internal static void Write(TextWriter text, GpuBenchReport report)
    {
        text.WriteLine($"on '{report.Hardware.Name}', device {report.Device}");
        text.WriteLine();
        text.WriteLine(
            $"{"",-18} {"step, s",8} {"tokens/s",9} {"TFLOP/s",8} {"predicted",15} {"floor, s",9} {"of floor",8} {"GPU, GiB",14} {"host, GiB",9} {"B/param.",8} {"GPU idle",8}  floor's lane");
        foreach (GpuBenchResult row in report.Rows)
        {
            text.WriteLine(row.Error is null ? Numbers(row) : $"{row.Row,-18} failed (code {row.ExitCode}): {row.Error}");
        }

        text.WriteLine();
        foreach (GpuBenchResult row in report.Rows.Where(row => row.Plan is not null))
        {
            text.WriteLine($"{row.Row}: {row.Plan}");
        }
    }

    /// <summary>One line of the table.</summary>
    internal static string Numbers(GpuBenchResult row)
    {
        string predicted = string.Create(CultureInfo.InvariantCulture, $"{row.PredictedStepSeconds:F3} ({row.PredictionError:+0.0%;-0.0%;0%})");
        string gpu = string.Create(CultureInfo.InvariantCulture, $"{row.GpuBytes / GiB:F2}{(row.GpuBudgetBytes is long budget ? $" of {budget / GiB:0.##}" : "")}");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{row.Row,-18} {row.StepSeconds,8:F3} {row.TokensPerSecond,9:F0} {row.ModelTflops,8:F1} {predicted,15} {row.Floor?.Seconds,9:F3} {row.OfFloor,8:F2} {gpu,14} {row.HostPeakBytes / GiB,9:F2} {row.HostBytesPerParameter,8:F1} {row.ComputeIdle,8:P1}  {row.Floor?.Of}");
    }
}
