using Offload.Storage.Devices;
using Offload.Storage.Files;
using Offload.Storage.States;

namespace Offload.Storage.Benchmarks;

/// <summary>The temporary files of a benchmark: made with it, removed with it, and opened as one device as often as needed.</summary>
internal sealed class BenchmarkFiles : IDisposable
{
    private const int NumQuarters = 4;

    private readonly StorageBenchmarkPlan _plan;
    private readonly List<string> _madeFolders = []; // Deepest last.
    private readonly List<string> _madeFiles = [];
    private Action<string>? _onWarning;

    /// <param name="plan">Which files.</param>
    /// <param name="onWarning">Told once of what is not as it should be.</param>
    /// <exception cref="StorageException">The system refused; nothing is left behind.</exception>
    public BenchmarkFiles(StorageBenchmarkPlan plan, Action<string>? onWarning)
    {
        _plan = plan;
        _onWarning = onWarning;
        try
        {
            foreach (StorageBenchmarkFile file in plan.Files)
            {
                Make(file);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>How the files were opened, once <see cref="Fill"/> has returned.</summary>
    public IReadOnlyList<OpenedDevice> Devices { get; private set; } = [];

    /// <summary>Width of each member's stripes, once <see cref="Fill"/> has returned; empty for a single file.</summary>
    public IReadOnlyList<int> StripeBytes { get; private set; } = [];

    /// <summary>
    /// Writes all files once, one after the other: blocks that were never written are read without asking the drive. Reads each back; of both
    /// speeds follow the widths of stripes.
    /// </summary>
    /// <returns>10^9 bytes a second over the first and over the last quarters, all files added up.</returns>
    public (double FirstGBps, double LastGBps) Fill(CancellationToken cancellation, ref long bytesWritten)
    {
        var opened = new List<OpenedDevice>();
        var speeds = new List<DeviceSpeed>();
        double first = 0;
        double last = 0;
        foreach (StorageBenchmarkFile file in _plan.Files)
        {
            using DirectFileDevice device = OpenFile(file, IoEngine.Auto);
            opened.Add(new OpenedDevice(device.IsDirect, device.AlignmentBytes, device.Engine, device.EngineReason));
            using var target = new DeviceTarget(device, file.SizeBytes / NumQuarters, new StoreOptions().BlockBytes, _plan.Options.QueueDepth);
            BenchmarkPass[] quarters = [.. Enumerable.Range(0, NumQuarters).Select(quarter => target.WriteAt(quarter * (file.SizeBytes / NumQuarters), cancellation))];
            first += quarters[0].WriteGBps;
            last += quarters[^1].WriteGBps;
            if (_plan.Files.Count > 1)
            {
                BenchmarkPass read = target.Run(BenchmarkPattern.Read, cancellation);
                speeds.Add(new DeviceSpeed(read.ReadGBps, quarters.Sum(quarter => quarter.BytesWritten) / quarters.Sum(quarter => quarter.Seconds) / 1e9));
            }

            bytesWritten += device.Traffic.BytesWritten;
        }

        // All that there is to warn of was told.
        _onWarning = null;
        Devices = opened;
        if (speeds.Count > 0)
        {
            StripeBytes = StripeWidths.FromSpeeds([.. speeds.Select(speed => speed.MeanGBps)], memberBytes: _plan.Files.Min(file => file.SizeBytes));
        }

        return (first, last);
    }

    /// <summary>Opens the files as one device, the caller's.</summary>
    /// <param name="engine">What is to do the transfers.</param>
    public IBlockDevice Open(IoEngine engine)
    {
        var members = new List<DirectFileDevice>();
        try
        {
            foreach (StorageBenchmarkFile file in _plan.Files)
            {
                members.Add(OpenFile(file, engine));
            }

            return members.Count == 1 ? members[0] : new StripedDevice(members, StripeBytes);
        }
        catch
        {
            members.ForEach(member => member.Dispose());
            throw;
        }
    }

    /// <summary>Removes files and folders; none may be open.</summary>
    public void Dispose()
    {
        _madeFiles.ForEach(File.Delete);
        _madeFiles.Clear();
        foreach (string folder in Enumerable.Reverse(_madeFolders).Where(folder => Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any()))
        {
            Directory.Delete(folder);
        }

        _madeFolders.Clear();
    }

    private void Make(StorageBenchmarkFile file)
    {
        string folder = Path.GetDirectoryName(file.Path)!;
        var missing = new Stack<string>();
        for (string? above = folder; above is not null && !Directory.Exists(above); above = Path.GetDirectoryName(above))
        {
            missing.Push(above);
        }

        _madeFolders.AddRange(missing);
        DurableFolder.Create(folder);
        if (file.IsLeftover)
        {
            File.Delete(file.Path);
        }

        PreallocatedFile.Create(file.Path, file.SizeBytes, _onWarning);
        _madeFiles.Add(file.Path);
    }

    private DirectFileDevice OpenFile(StorageBenchmarkFile file, IoEngine engine) => DirectFileDevice.Open(
        file.Path, new DirectFileOptions { Engine = engine, QueueDepth = _plan.Options.QueueDepth, OnWarning = _onWarning });
}
