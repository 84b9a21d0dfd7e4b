using System.Diagnostics;
using Offload.Storage.Benchmarks;
using Offload.Storage.Devices;
using Offload.Storage.States;

namespace Offload.Acceptance.Fio;

/// <summary>
/// A state store against fio: same folder, block size and depth, past the page cache, in turns. The store's tiles pass through all layers, with
/// checksums; its writes end with a commit, so fio's are flushed, too.
/// </summary>
internal static class StoreComparison
{
    private const double MinRatio = 0.90;

    public static bool Run(TextWriter output)
    {
        FioSettings settings = FioSettings.FromEnvironment(new StoreOptions().BlockBytes);
        if (FioLoad.Version() is not { } version)
        {
            output.WriteLine("fio is not installed, so there is nothing to compare with; expected a program 'fio' in the path");
            return false;
        }

        string folder = Path.Combine(settings.Folder, $".offload-store-fio-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        try
        {
            string path = Path.Combine(folder, "fio");

            // Each generation is as long as the file.
            StoreDescription description = StoreTarget.Describe(2 * settings.SizeBytes);
            output.WriteLine(
                $"{version}; a file of {settings.SizeBytes >> 20} MiB and a store of twice that in {folder}, removed at the end; blocks of {settings.BlockBytes >> 10} KiB, depth {settings.QueueDepth}, "
                + $"tiles of {StoreGeometry.Of(description).MaxTileBytes >> 10} KiB; {settings.NumRounds} rounds of {settings.Seconds} s each");
            PreallocatedFile.Create(path, settings.SizeBytes, output.WriteLine);
            Fill(settings, path);
            var options = new StoreFilesOptions { QueueDepth = settings.QueueDepth, Store = new StoreOptions { BlockBytes = settings.BlockBytes } };
            using var store = new StoreTarget(StoreFiles.Create([folder], description, options));
            return Compare(settings, path, store, output);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool Compare(FioSettings settings, string path, StoreTarget store, TextWriter output)
    {
        // Both generations, as the file: blocks that were never written are cheap to read and dear to write.
        store.Run(BenchmarkPattern.Write, default);
        store.Run(BenchmarkPattern.Write, default);
        bool allHold = true;
        foreach (LoadKind kind in Enum.GetValues<LoadKind>())
        {
            var ofFio = new LoadResult[settings.NumRounds];
            var ofStore = new LoadResult[settings.NumRounds];
            for (int round = 0; round < settings.NumRounds; round++)
            {
                // Turns change: a virtual drive lets the first one after a pause go faster.
                for (int turn = 0; turn < 2; turn++)
                {
                    if ((round + turn) % 2 == 0)
                    {
                        ofFio[round] = RunFio(settings, path, kind);
                    }
                    else
                    {
                        ofStore[round] = RunStore(settings, store, kind);
                    }
                }
            }

            double ratio = Median(ofStore, result => result.GBPerSecond) / Median(ofFio, result => result.GBPerSecond);
            Report(kind, "fio", ofFio, "", output);
            Report(kind, "store", ofStore, $"; against fio: rate {ratio:F3}{(ratio >= MinRatio ? "" : "  TOO LITTLE")}", output);
            allHold &= ratio >= MinRatio;
        }

        return allHold;
    }

    private static LoadResult RunFio(FioSettings settings, string path, LoadKind kind)
    {
        LoadResult result = FioLoad.Run(settings, path, kind);
        if (kind != LoadKind.Write)
        {
            return result;
        }

        using DirectFileDevice device = DirectFileDevice.Open(path);
        long start = Stopwatch.GetTimestamp();
        device.Flush();
        return result with { Seconds = result.Seconds + Stopwatch.GetElapsedTime(start).TotalSeconds };
    }

    private static LoadResult RunStore(FioSettings settings, StoreTarget store, LoadKind kind)
    {
        BenchmarkPattern pattern = kind switch
        {
            LoadKind.Read => BenchmarkPattern.Read,
            LoadKind.Write => BenchmarkPattern.Write,
            _ => BenchmarkPattern.Mixed,
        };
        long bytes = 0;
        double seconds = 0;
        double cpuSeconds = 0;
        while (seconds < settings.Seconds)
        {
            BenchmarkPass pass = store.Run(pattern, default);
            bytes += pass.BytesRead + pass.BytesWritten;
            seconds += pass.Seconds;
            cpuSeconds += pass.CpuSeconds;
        }

        return new LoadResult(bytes, seconds, cpuSeconds);
    }

    private static void Fill(FioSettings settings, string path)
    {
        using var target = new DeviceTarget(DirectFileDevice.Open(path), settings.SizeBytes, settings.BlockBytes, settings.QueueDepth);
        target.Run(BenchmarkPattern.Write, default);
    }

    private static void Report(LoadKind kind, string name, LoadResult[] results, string verdict, TextWriter output) => output.WriteLine(
        $"{kind,-6} {name,-6} {Median(results, result => result.GBPerSecond),6:F3} GB/s ({string.Join(' ', results.Select(result => $"{result.GBPerSecond:F2}"))}), "
        + $"{Median(results, result => result.CpuSecondsPerGB):F4} CPU s/GB{verdict}");

    private static double Median(LoadResult[] results, Func<LoadResult, double> value)
    {
        double[] sorted = [.. results.Select(value).Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
