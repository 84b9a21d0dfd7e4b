using Offload.Storage.Devices;
using Offload.Storage.Files;

namespace Offload.Storage.States;

/// <summary>How fast folders are compared with each other.</summary>
internal static class FolderSpeeds
{
    /// <summary>Written to each folder to measure it: tens of milliseconds on a fast drive, a second on a disk; enough to tell their ratio, and little wear.</summary>
    public const long ProbeBytes = 128 << 20;

    /// <summary>The file's name. One that is found was left by a process that was killed.</summary>
    public const string ProbeName = "states.offload.probe";

    // Where all is written in less than that many probes, the measurement would cost more than uneven stripes.
    private const int MinProbesPerStore = 8;

    private const int EqualBytes = 1 << 20;

    /// <summary>Whether stripes in the ratio of the folders' speeds are worth their measurement.</summary>
    /// <param name="numFolders">Folders.</param>
    /// <param name="storeBytes">Size of the store.</param>
    public static bool AreMeasured(int numFolders, long storeBytes) => numFolders > 1 && storeBytes >= MinProbesPerStore * ProbeBytes * numFolders;

    /// <summary>Widths of equal stripes.</summary>
    public static IReadOnlyList<int> EqualWidths(int numFolders) => [.. Enumerable.Repeat(EqualBytes, numFolders)];

    /// <summary>Widths of stripes in the ratio of the folders' speeds: as many bytes read as written, as a step does.</summary>
    /// <param name="folders">The folders; a file is made in each for the moment.</param>
    /// <param name="options">How to open files.</param>
    /// <param name="probeBytes">Written to each and read; a multiple of 1 MiB.</param>
    /// <exception cref="StorageException">The system refused, or a drive reported an error.</exception>
    public static IReadOnlyList<int> MeasureWidths(IReadOnlyList<string> folders, StoreFilesOptions options, long probeBytes = ProbeBytes) =>
        StripeWidths.FromSpeeds([.. folders.Select(folder => Measure(folder, probeBytes, options).MeanGBps)]);

    private static DeviceSpeed Measure(string folder, long probeBytes, StoreFilesOptions options)
    {
        string path = Path.Join(folder, ProbeName);
        PreallocatedFile.Create(path, probeBytes);
        try
        {
            DeviceSpeed speed;
            using (DirectFileDevice device = DirectFileDevice.Open(path, new DirectFileOptions { Engine = options.Engine, QueueDepth = options.QueueDepth }))
            {
                speed = DeviceSpeed.Measure(device, offsetBytes: 0, probeBytes);
            }

            FileRemoval.Remove(path);
            return speed;
        }
        catch
        {
            FileRemoval.RemoveQuietly(path);
            throw;
        }
    }
}
