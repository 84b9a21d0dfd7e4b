using System.Globalization;
using Offload.Profiles.Hardware;
using Offload.Storage.Benchmarks;
using Offload.Storage.Devices;

namespace Offload.Cli.Commands;

/// <summary>The result of <c>offload bench storage</c> for people.</summary>
internal static class StorageBenchmarkReport
{
    /// <summary>Writes facts and table.</summary>
    public static void Write(TextWriter output, StorageBenchmarkResult result)
    {
        foreach ((DriveFacts drive, OpenedDevice device) in result.Drives.Zip(result.Devices))
        {
            output.WriteLine($"{drive.Path}: {Describe(drive)}");
            output.WriteLine(
                $"  {(device.IsDirect ? $"O_DIRECT, aligned to {device.AlignmentBytes}" : "through the page cache: the file system has no O_DIRECT")}; "
                + $"{Name(device.Engine)} ({device.EngineReason})");
        }

        string lockedMemory = result.Kernel.LockedMemoryBytes is long bytes ? $"up to {Sizes.Format(bytes)} of buffers" : "any number of buffers";
        output.WriteLine(
            $"kernel {result.Kernel.Release}, io_uring {(result.Kernel.IoUringProblem is { } problem ? $"refused: {problem}" : $"allowed, {lockedMemory} may be registered with it")}");
        if (result.StripeBytes.Count > 0)
        {
            output.WriteLine($"stripes of {string.Join(", ", result.StripeBytes.Select(width => Sizes.Format(width)))}, by the drives' speeds");
        }

        output.WriteLine($"blocks of {Sizes.Format(result.BlockBytes)}, the store's tiles of {Sizes.Format(result.TileBytes)}; {Sizes.Format(result.BytesWritten)} written");
        output.WriteLine();
        output.WriteLine($"{"",-6} {"",-8} {"read GB/s",12} {"write GB/s",12} {"of device",10} {"CPU s/GB",10}");
        foreach (BenchmarkRow row in result.Rows)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{Name(row.Pattern),-6} {Name(row.Layer),-8} {row.ReadGBps,12:F3} {row.WriteGBps,12:F3} {row.OfDevice,10:P0} {row.CpuSecondsPerGB,10:F3}"));
        }

        output.WriteLine();
        if (result.IsWriteUneven)
        {
            string what = result.FirstQuarterWriteGBps > result.LastQuarterWriteGBps
                ? "a write cache that fills up, or an unsteady drive; a larger --size shows what lasts"
                : "an unsteady drive, or one that was not awake; measure again";
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"The first quarter was written at {result.FirstQuarterWriteGBps:F3} GB/s, the last one at {result.LastQuarterWriteGBps:F3}: {what}."));
        }

        if (!result.IsDirect)
        {
            output.WriteLine("These rates are not the drive's: transfers went through the page cache.");
        }

        SsdProfile ssd = result.Ssd;
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"For a plan: reads {ssd.ReadGBps} GB/s, writes {ssd.WriteGBps} GB/s, both at once {ssd.MixedReadGBps} and {ssd.MixedWriteGBps} GB/s."));
    }

    private static string Describe(DriveFacts drive)
    {
        string?[] facts =
        [
            drive.FileSystem,
            drive.BlockDevice is null ? null : drive.Model is null ? $"on {drive.BlockDevice}" : $"on {drive.BlockDevice} ({drive.Model})",
            drive.Scheduler is null ? null : $"scheduler {drive.Scheduler}",
            drive.MaxRequestKiB is null ? null : $"requests of up to {drive.MaxRequestKiB} KiB",
        ];
        return string.Join(", ", facts.OfType<string>().DefaultIfEmpty("the system tells nothing of it"));
    }

    private static string Name(IoEngine engine) => engine == IoEngine.IoUring ? "io_uring" : "threads";

    private static string Name<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
