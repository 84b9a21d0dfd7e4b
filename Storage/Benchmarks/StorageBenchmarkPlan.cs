using Offload.Profiles;
using Offload.Storage.Devices;
using Offload.Storage.Files;

namespace Offload.Storage.Benchmarks;

/// <summary>What a <see cref="StorageBenchmark"/> will write, known and checked before it writes anything.</summary>
/// <param name="Options">What it was made from.</param>
/// <param name="Files">The temporary files.</param>
/// <param name="MaxBytesWritten">All that will be written to the drives, at most.</param>
public sealed record StorageBenchmarkPlan(StorageBenchmarkOptions Options, IReadOnlyList<StorageBenchmarkFile> Files, long MaxBytesWritten)
{
    /// <summary>Name of the temporary file in each folder.</summary>
    public const string FileName = "offload-bench.tmp";

    private const int NumLayers = 3;

    /// <summary>Free on all file systems together, before.</summary>
    public long FreeBytes => Files.GroupBy(FileSystemOf, StringComparer.Ordinal).Sum(group => group.Max(file => file.FreeBytes));

    /// <summary>Checks folders and free space. Writes nothing.</summary>
    /// <param name="options">What to measure.</param>
    /// <exception cref="UsageException">A folder is given twice or is none, or the size is too small.</exception>
    /// <exception cref="StorageException">Too little free space: says how much is missing; or another benchmark is at work there.</exception>
    public static StorageBenchmarkPlan Make(StorageBenchmarkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Rounds);
        string[] folders = [.. options.Folders.Select(folder => Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))];
        if (folders.Length == 0)
        {
            throw new UsageException("no folder to measure", "name one on each drive with --nvme");
        }

        if (folders.GroupBy(folder => folder, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new UsageException($"{twice.Key} is given twice", "name one folder on each drive");
        }

        long fileBytes = options.SizeBytes / folders.Length / StorageBenchmarkOptions.MinFileBytes * StorageBenchmarkOptions.MinFileBytes;
        if (fileBytes == 0)
        {
            throw new UsageException(
                $"a size of {options.SizeBytes} bytes is too small: expected at least {StorageBenchmarkOptions.MinFileBytes * folders.Length}", "what a drive can do shows from 1GiB on");
        }

        StorageBenchmarkFile[] files = [.. folders.Select(folder => Look(folder, fileBytes))];
        RequireSpace(files);

        // Once to fill the files; then each layer writes half of them, and a quarter (the store) or half of them while it reads.
        long perRound = NumLayers * fileBytes;
        return new StorageBenchmarkPlan(options, files, files.Length * (fileBytes + (options.Rounds * perRound)));
    }

    private static StorageBenchmarkFile Look(string folder, long fileBytes)
    {
        for (string? above = folder; above is not null; above = Path.GetDirectoryName(above))
        {
            if (File.Exists(above))
            {
                throw new UsageException($"{above}: expected a folder, found a file", "name a folder on the drive; it is made if missing");
            }
        }

        string path = Path.Combine(folder, FileName);
        long leftoverBytes = LeftoverBytes(path);
        return new StorageBenchmarkFile(path, fileBytes, !Directory.Exists(folder), leftoverBytes >= 0, DiskSpace.AvailableBytes(folder) + Math.Max(leftoverBytes, 0));
    }

    // Locked while a benchmark uses it. Minus one: there is none.
    private static long LeftoverBytes(string path)
    {
        if (!File.Exists(path))
        {
            return -1;
        }

        using DirectFileDevice leftover = DirectFileDevice.Open(path, new DirectFileOptions { Engine = IoEngine.Threads, QueueDepth = 1 });
        return leftover.SizeBytes;
    }

    private static string FileSystemOf(StorageBenchmarkFile file) => Mount.Of(file.Path)?.DeviceNumber ?? file.Path;

    // Folders on one file system share its space.
    private static void RequireSpace(StorageBenchmarkFile[] files)
    {
        foreach (IGrouping<string, StorageBenchmarkFile> group in files.GroupBy(FileSystemOf, StringComparer.Ordinal))
        {
            long neededBytes = group.Sum(file => file.SizeBytes);
            long freeBytes = group.Max(file => file.FreeBytes);
            if (freeBytes < neededBytes)
            {
                throw new StorageException(
                    group.First().Path,
                    $"write {neededBytes} bytes",
                    $"only {freeBytes} bytes are free, {neededBytes - freeBytes} bytes are missing",
                    "Free space on that file system, choose another one, or measure with a smaller --size.");
            }
        }
    }
}
