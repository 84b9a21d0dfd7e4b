using Offload.Profiles.Hardware;
using Offload.Storage.Devices;
using Offload.Storage.States;

namespace Offload.Storage.Benchmarks;

/// <summary>
/// Measures what drives and a state store on them can do: in several rounds, of which medians are taken, every layer writes, reads, and does both at
/// once. Reads and writes go past the page cache where the file system allows it. One thread at a time.
/// </summary>
public sealed class StorageBenchmark
{
    private static readonly BenchmarkPattern[] Patterns = [BenchmarkPattern.Write, BenchmarkPattern.Read, BenchmarkPattern.Mixed]; // Written first: a store must be, before it is read.
    private readonly StorageBenchmarkPlan _plan;
    private readonly BenchmarkFiles _files;
    private readonly Action<string>? _onProgress;
    private readonly CancellationToken _cancellation;

    private StorageBenchmark(StorageBenchmarkPlan plan, BenchmarkFiles files, Action<string>? onProgress, CancellationToken cancellation)
    {
        _plan = plan;
        _files = files;
        _onProgress = onProgress;
        _cancellation = cancellation;
    }

    /// <summary>Makes the files, measures, and removes what it made, whatever happens. Blocks, for minutes with large sizes.</summary>
    /// <param name="plan">What to do.</param>
    /// <param name="onProgress">Gets a line for each stage; null: nobody is told.</param>
    /// <param name="onWarning">Gets a line for what falsifies the rates, such as a file system without O_DIRECT; null: nobody is told.</param>
    /// <param name="cancellation">Stops within a few blocks or tiles; the files are removed.</param>
    /// <exception cref="StorageException">The system refused something, or a drive reported an error.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static StorageBenchmarkResult Run(
        StorageBenchmarkPlan plan, Action<string>? onProgress = null, Action<string>? onWarning = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        using var files = new BenchmarkFiles(plan, onWarning);
        return new StorageBenchmark(plan, files, onProgress, cancellation).Run();
    }

    private StorageBenchmarkResult Run()
    {
        long bytesWritten = 0;
        _onProgress?.Invoke("filling the files");
        (double firstGBps, double lastGBps) = _files.Fill(_cancellation, ref bytesWritten);
        StoreDescription description;
        StoreGeometry geometry;
        int blockBytes = new StoreOptions().BlockBytes;
        using (IBlockDevice device = _files.Open(IoEngine.Auto))
        {
            description = StoreTarget.Describe(device.SizeBytes);
            geometry = StoreGeometry.Of(description);
        }

        var passes = new List<BenchmarkPass>[Patterns.Length, Enum.GetValues<BenchmarkLayer>().Length];
        for (int round = 0; round < _plan.Options.Rounds; round++)
        {
            foreach (BenchmarkLayer layer in Order(round))
            {
                _onProgress?.Invoke($"round {round + 1} of {_plan.Options.Rounds}: {layer.ToString().ToLowerInvariant()}");
                IBlockDevice device = _files.Open(layer == BenchmarkLayer.Threads ? IoEngine.Threads : IoEngine.Auto);
                using IBenchmarkTarget target = layer == BenchmarkLayer.Store
                    ? new StoreTarget(StateStore.Create(device, description))
                    : new DeviceTarget(device, geometry.StateBytes, blockBytes, _plan.Options.QueueDepth * _plan.Files.Count);
                foreach (BenchmarkPattern pattern in Patterns)
                {
                    (passes[(int)pattern, (int)layer] ??= []).Add(target.Run(pattern, _cancellation));
                }

                bytesWritten += device.Traffic.BytesWritten;
            }
        }

        BenchmarkRow[] rows = [.. Enum.GetValues<BenchmarkPattern>().SelectMany(pattern => Enum.GetValues<BenchmarkLayer>()
            .Select(layer => Row(pattern, layer, passes[(int)pattern, (int)layer], passes[(int)pattern, (int)BenchmarkLayer.Device])))];
        return new StorageBenchmarkResult(
            Profile(rows),
            _files.Devices.All(device => device.IsDirect),
            rows,
            firstGBps,
            lastGBps,
            _files.StripeBytes,
            blockBytes,
            geometry.MaxTileBytes,
            bytesWritten,
            [.. _plan.Files.Select(file => DriveFacts.Of(Path.GetDirectoryName(file.Path)!))],
            _files.Devices,
            KernelFacts.Read());
    }

    // Each layer comes first in turn: what a drive does after a pause, or when it is warm, falls on all alike.
    private static IEnumerable<BenchmarkLayer> Order(int round)
    {
        BenchmarkLayer[] layers = Enum.GetValues<BenchmarkLayer>();
        return layers.Select((_, index) => layers[(index + round) % layers.Length]);
    }

    private static BenchmarkRow Row(BenchmarkPattern pattern, BenchmarkLayer layer, List<BenchmarkPass> passes, List<BenchmarkPass> devicePasses) => new(
        pattern,
        layer,
        pattern == BenchmarkPattern.Write ? null : Median(passes.Select(pass => pass.ReadGBps)),
        pattern == BenchmarkPattern.Read ? null : Median(passes.Select(pass => pass.WriteGBps)),
        Median(passes.Zip(devicePasses, (pass, device) => pass.TotalGBps / device.TotalGBps)),
        Median(passes.Select(pass => pass.CpuSecondsPerGB)),
        passes);

    private SsdProfile Profile(BenchmarkRow[] rows)
    {
        BenchmarkRow Store(BenchmarkPattern pattern) => rows.Single(row => row.Pattern == pattern && row.Layer == BenchmarkLayer.Store);
        BenchmarkRow mixed = Store(BenchmarkPattern.Mixed);
        return new SsdProfile
        {
            ReadGBps = Rounded(Store(BenchmarkPattern.Read).ReadGBps),
            WriteGBps = Rounded(Store(BenchmarkPattern.Write).WriteGBps),
            MixedReadGBps = Rounded(mixed.ReadGBps),
            MixedWriteGBps = Rounded(mixed.WriteGBps),
            CapacityGB = Math.Round(_plan.FreeBytes / 1e9, 1),
        };
    }

    // Four digits are more than any two measurements share. Never zero: a profile has no use for that.
    private static double Rounded(double? gBPerSecond) => double.Parse(FormattableString.Invariant($"{gBPerSecond:G4}"), System.Globalization.CultureInfo.InvariantCulture);

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
