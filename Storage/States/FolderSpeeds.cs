using System.Diagnostics;
using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>How fast folders are compared with each other.</summary>
internal static unsafe class FolderSpeeds
{
    private const string ProbeName = "states.offload.probe";
    private const int BlockBytes = 1 << 20;

    // Tens of milliseconds on a fast drive, a second on a disk: enough to tell their ratio, and little wear.
    private const long ProbeBytes = 128 << 20;

    // Where all is written in less than that many probes, the measurement would cost more than uneven stripes.
    private const int MinProbesPerStore = 8;

    private const int EqualBytes = 1 << 20;

    /// <summary>Widths of stripes in the ratio of the folders' write speeds, the lower ones of most drives.</summary>
    /// <param name="folders">The folders; a file is made in each for the moment.</param>
    /// <param name="storeBytes">Size of the store.</param>
    /// <param name="options">How to open files.</param>
    /// <param name="probeBytes">Written to each; a multiple of 1 MiB.</param>
    public static IReadOnlyList<int> Widths(IReadOnlyList<string> folders, long storeBytes, StoreFilesOptions options, long probeBytes = ProbeBytes)
    {
        if (folders.Count == 1 || storeBytes < MinProbesPerStore * probeBytes * folders.Count)
        {
            return [.. folders.Select(_ => EqualBytes)];
        }

        return StripeWidths.FromSpeeds([.. folders.Select(folder => WriteGBPerSecond(folder, probeBytes, options))]);
    }

    private static double WriteGBPerSecond(string folder, long probeBytes, StoreFilesOptions options)
    {
        string path = Path.Join(folder, ProbeName);
        File.Delete(path);
        PreallocatedFile.Create(path, probeBytes);
        try
        {
            using DirectFileDevice device = DirectFileDevice.Open(path, new DirectFileOptions { Engine = options.Engine, QueueDepth = options.QueueDepth });
            using var buffer = new NativeBuffer(BlockBytes);
            var requests = new ProbeRequest[probeBytes / BlockBytes];
            using var left = new CountdownEvent(requests.Length);
            long start = Stopwatch.GetTimestamp();
            for (int index = 0; index < requests.Length; index++)
            {
                requests[index] = new ProbeRequest(left);
                requests[index].Prepare(BlockOperation.Write, (long)index * BlockBytes, (byte*)buffer.Address, BlockBytes, IoPriority.Normal);
                device.Submit(requests[index]);
            }

            left.Wait();
            device.Flush();
            return Array.Find(requests, request => request.Error is not null)?.Error is { } error
                ? throw error
                : probeBytes / Stopwatch.GetElapsedTime(start).TotalSeconds * 1e-9;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private sealed class ProbeRequest(CountdownEvent left) : BlockRequest
    {
        public Exception? Error { get; private set; }

        protected override void OnCompleted(Exception? error)
        {
            Error = error;
            left.Signal();
        }
    }
}
