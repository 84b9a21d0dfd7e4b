using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Acceptance.Fio;

/// <summary>The file device, by io_uring without and with registered memory and by threads, against fio: same file, block size and depth, past the page cache, in turns.</summary>
internal static unsafe class FioComparison
{
    private const double MaxCpuRatio = 1.5;
    private const double MinRingRatio = 0.95;
    private static readonly Contestant[] All =
    [
        new("fio", Engine: null, RegistersMemory: false, MinRateRatio: 1),
        new("io_uring", IoEngine.IoUring, RegistersMemory: false, MinRingRatio),
        new("registered", IoEngine.IoUring, RegistersMemory: true, MinRingRatio),
        new("threads", IoEngine.Threads, RegistersMemory: false, MinRateRatio: 0.90),
    ];

    public static bool Run(TextWriter output)
    {
        FioSettings settings = FioSettings.FromEnvironment();
        if (FioLoad.Version() is not { } version)
        {
            output.WriteLine("fio is not installed, so there is nothing to compare with; expected a program 'fio' in the path");
            return false;
        }

        string path = Path.Combine(settings.Folder, $".offload-fio-{Guid.NewGuid():N}");
        double writtenGB = settings.NumRounds * All.Length * settings.Seconds * 1.5;
        output.WriteLine(
            $"{version}; {settings.SizeBytes >> 20} MiB in {path}, removed at the end; blocks of {settings.BlockBytes >> 10} KiB, depth {settings.QueueDepth}, "
            + $"{settings.NumRounds} rounds of {settings.Seconds} s each; writes about {writtenGB:F0} GB for each GB/s that the drive takes");
        try
        {
            PreallocatedFile.Create(path, settings.SizeBytes, output.WriteLine);
            return Compare(settings, path, output);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static bool Compare(FioSettings settings, string path, TextWriter output)
    {
        Contestant[] contestants = All;
        using (var memory = new NativeBuffer((long)settings.QueueDepth * settings.BlockBytes))
        using (DirectFileDevice device = DirectFileDevice.Open(path))
        {
            if (!device.IsDirect)
            {
                output.WriteLine($"{path}: the file system has no O_DIRECT; choose a folder on a drive with OFFLOAD_FIO_FOLDER");
                return false;
            }

            Fill(device);
            if (!device.TryRegisterBuffer(memory))
            {
                output.WriteLine("memory cannot be registered here (root may, or 'ulimit -l'): that part is left out");
                contestants = [.. All.Where(contestant => !contestant.RegistersMemory)];
            }
        }

        bool allHold = true;
        foreach (LoadKind kind in Enum.GetValues<LoadKind>())
        {
            LoadResult[][] results = [.. contestants.Select(_ => new LoadResult[settings.NumRounds])];
            for (int round = 0; round < settings.NumRounds; round++)
            {
                for (int turn = 0; turn < contestants.Length; turn++)
                {
                    // Turns rotate: a virtual drive lets the first one after a pause go faster.
                    int index = (round + turn) % contestants.Length;
                    results[index][round] = contestants[index].Run(settings, path, kind);
                }
            }

            allHold &= Report(kind, contestants, results, output);
        }

        return allHold;
    }

    // The first contestant is fio.
    private static bool Report(LoadKind kind, Contestant[] contestants, LoadResult[][] results, TextWriter output)
    {
        bool allHold = true;
        double[] rates = [.. results.Select(rounds => Median(rounds.Select(result => result.GBPerSecond)))];
        double[] costs = [.. results.Select(rounds => Median(rounds.Select(result => result.CpuSecondsPerGB)))];
        for (int i = 0; i < results.Length; i++)
        {
            string rounds = string.Join(' ', results[i].Select(result => $"{result.GBPerSecond:F2}"));
            string line = $"{kind,-6} {contestants[i].Name,-10} {rates[i],6:F3} GB/s ({rounds}), {costs[i]:F4} CPU s/GB";
            if (i > 0)
            {
                double rateRatio = rates[i] / rates[0];
                double costRatio = costs[i] / costs[0];
                bool holds = rateRatio >= contestants[i].MinRateRatio && costRatio <= MaxCpuRatio;
                line += $"; against fio: rate {rateRatio:F3}, CPU {costRatio:F2}{(holds ? "" : "  MISSED")}";
                allHold &= holds;
            }

            output.WriteLine(line);
        }

        return allHold;
    }

    // Reads of blocks that were never written do not reach a drive, and first writes cost the file system more than later ones.
    private static void Fill(DirectFileDevice device)
    {
        const int BlockBytes = 8 << 20;
        using var memory = new NativeBuffer(BlockBytes);
        new Random(1).NextBytes(memory.AsSpan<byte>(0, BlockBytes));
        var request = new BlockingRequest();
        for (long offset = 0; offset < device.SizeBytes; offset += BlockBytes)
        {
            request.Transfer(device, BlockOperation.Write, offset, memory.Address, (int)Math.Min(BlockBytes, device.SizeBytes - offset));
        }

        device.Flush();
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
