using Offload.Storage.Devices;

namespace Offload.Storage.States;

/// <summary>
/// The threads that compute a store's checksums, so that neither a device's completion thread nor a caller does. Transfers wait in lists made of
/// themselves, those of higher priority first: an urgent read waits at most for the parts that are being worked on, not behind all writes.
/// </summary>
internal sealed class ChecksumThreads : IDisposable
{
    // One computes 6 to 10 GB/s; two fast drives read and written at once are 20 to 30.
    private const int MaxThreads = 4;

    // The others compute: a machine with few cores has no use for more than one, which already keeps up with a drive.
    private const int CoresPerThread = 4;

    private readonly object _gate = new();
    private readonly WaitingQueue<PartChecksum> _waiting = new();
    private readonly Thread[] _threads;
    private bool _isStopping;

    /// <param name="numThreads">How many.</param>
    public ChecksumThreads(int numThreads)
    {
        _threads = new Thread[numThreads];
        int numStarted = 0;
        try
        {
            for (; numStarted < numThreads; numStarted++)
            {
                _threads[numStarted] = new Thread(Run) { IsBackground = true, Name = $"offload-checksum-{numStarted}" };
                _threads[numStarted].Start();
            }
        }
        catch
        {
            Stop(numStarted);
            throw;
        }
    }

    /// <summary>As many threads as this machine should have.</summary>
    public static int DefaultThreads => Math.Clamp(Environment.ProcessorCount / CoresPerThread, 1, MaxThreads);

    /// <summary>Has a part's checksum computed, as far as its bytes are there. Allocates nothing.</summary>
    public void Enqueue(PartChecksum checksum)
    {
        lock (_gate)
        {
            _waiting.Add(checksum);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Ends the threads once nothing waits any more.</summary>
    public void Dispose() => Stop(_threads.Length);

    private void Stop(int numStarted)
    {
        lock (_gate)
        {
            _isStopping = true;
            Monitor.PulseAll(_gate);
        }

        foreach (Thread thread in _threads.AsSpan(0, numStarted))
        {
            thread.Join();
        }
    }

    private void Run()
    {
        while (Next() is { } checksum)
        {
            checksum.Compute();
        }
    }

    private PartChecksum? Next()
    {
        lock (_gate)
        {
            PartChecksum? checksum;
            while (!_waiting.TryTake(out checksum) && !_isStopping)
            {
                Monitor.Wait(_gate);
            }

            return checksum;
        }
    }
}
