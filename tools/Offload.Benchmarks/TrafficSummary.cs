using BenchmarkDotNet.Reports;

namespace Offload.Benchmarks;

/// <summary>GB/s of every traffic benchmark of a run, and their ratio to the same streams without arithmetic.</summary>
internal static class TrafficSummary
{
    public static void Print(IEnumerable<Summary> summaries, TextWriter output)
    {
        var rows = (
            from report in summaries.SelectMany(summary => summary.Reports)
            let statistics = report.ResultStatistics
            where statistics is not null && Enum.TryParse<TrafficKernel>(Name(report), out _)
            let kernel = Enum.Parse<TrafficKernel>(Name(report))
            let threads = (int)report.BenchmarkCase.Parameters[nameof(TrafficBenchmark.Threads)]
            let bfloat16 = (bool)report.BenchmarkCase.Parameters[nameof(TrafficBenchmark.BFloat16Gradient)]
            let bytes = (double)TrafficBenchmark.NumElements * StreamWork.BytesPerElement(kernel, bfloat16)
            orderby threads, bfloat16 descending, kernel
            select new Row(kernel, threads, bfloat16, bytes / statistics.Median, bytes / statistics.Min)).ToList();
        if (rows.Count == 0)
        {
            return;
        }

        output.WriteLine($"{"threads",7} {"gradient",9} {"kernel",12} {"median GB/s",12} {"best GB/s",10} {"median / mix",13} {"best / mix",11}");
        foreach (Row row in rows)
        {
            Row? mix = rows.Find(other => other.Kernel == TrafficKernel.SameMix && other.Threads == row.Threads && other.BFloat16 == row.BFloat16);
            output.WriteLine(
                $"{row.Threads,7} {(row.BFloat16 ? "bfloat16" : "float32"),9} {row.Kernel,12} {row.MedianRate,12:F2} {row.BestRate,10:F2} {row.MedianRate / mix?.MedianRate,13:P1} {row.BestRate / mix?.BestRate,11:P1}");
        }
    }

    private static string Name(BenchmarkReport report) => report.BenchmarkCase.Descriptor.WorkloadMethod.Name;

    /// <summary>Rates in bytes a nanosecond, which are GB/s.</summary>
    private sealed record Row(TrafficKernel Kernel, int Threads, bool BFloat16, double MedianRate, double BestRate);
}
