using Offload.Storage.Interop;

namespace Offload.Storage.Devices;

/// <summary>
/// Transfers by an io_uring. The submitting thread gives its request to the kernel itself while fewer than the queue depth are there; the
/// completion thread blocks until some are done, starts those that wait, and then tells the callers.
/// </summary>
/// <remarks>
/// The completion queue cannot overflow: a request has its entry until its completion was taken, there are as many entries as the submission queue
/// has but one (the stop mark's), and the kernel makes the completion queue twice as long.
/// </remarks>
internal sealed unsafe class RingEngine : TransferEngine
{
    private const ulong StopMark = ulong.MaxValue;
    private const int NoEntry = -1;

    private readonly object _gate = new();
    private readonly DirectFile _file;
    private readonly IoUring _ring;
    private readonly Thread _thread;
    private readonly WaitingQueue<BlockRequest> _waiting = new();
    private readonly Entry[] _entries;
    private readonly Finished[] _finished;
    private readonly RegisteredMemory _registered;
    private int _freeEntry;
    private int _numInFlight;
    private int _numOutstanding;
    private bool _isClosing;
    private bool _isStopped;

    private RingEngine(DirectFile file, IoUring ring, int queueDepth)
    {
        _file = file;
        _ring = ring;
        _registered = new RegisteredMemory(ring);
        _entries = new Entry[queueDepth];
        _finished = new Finished[queueDepth];
        for (int i = 0; i < queueDepth; i++)
        {
            _entries[i].NextFree = i + 1 < queueDepth ? i + 1 : NoEntry;
        }

        _thread = new Thread(Run) { Name = "offload-ring", IsBackground = true };
    }

    /// <summary>Sets one up; null with the reason if the system refuses. The file remains the caller's.</summary>
    public static RingEngine? TryCreate(DirectFile file, int queueDepth, out string? problem)
    {
        IoUring? ring = IoUring.TryCreate(queueDepth + 1, out problem);
        if (ring is null)
        {
            return null;
        }

        try
        {
            var engine = new RingEngine(file, ring, queueDepth);
            engine._thread.Start();
            return engine;
        }
        catch
        {
            ring.Dispose();
            throw;
        }
    }

    public override void Submit(BlockRequest request)
    {
        var refused = new WaitingList<BlockRequest>();
        int error;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosing, typeof(DirectFileDevice));
            _numOutstanding++;
            _waiting.Add(request);
            error = StartLocked(ref refused);
        }

        CompleteRefused(refused, error);
    }

    public override IDisposable? TryRegister(void* address, long sizeBytes)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosing, typeof(DirectFileDevice));
            return _registered.TryAdd((byte*)address, sizeBytes) ? new Registration(this, (byte*)address) : null;
        }
    }

    public override void Dispose()
    {
        RefuseOwnThread(Thread.CurrentThread == _thread);
        lock (_gate)
        {
            _isClosing = true;
            while (_numOutstanding > 0)
            {
                Monitor.Wait(_gate);
            }

            if (_isStopped)
            {
                return;
            }

            _isStopped = true;
            _ring.Push(IoUringOperation.Nop, -1, 0, null, 0, StopMark);
            int error = _ring.Submit();
            if (error != 0)
            {
                // Leaks the ring and its sleeping thread; unmapping under it would be worse.
                throw Files.IoErrors.FromErrno(_file.Path, "stop the io_uring", error);
            }
        }

        _thread.Join();
        _ring.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            if (!_ring.HasCompletion)
            {
                WaitForCompletion();
                continue;
            }

            var refused = new WaitingList<BlockRequest>();
            int numFinished = 0;
            int error;
            lock (_gate)
            {
                while (numFinished < _finished.Length && _ring.TryTake(out ulong userData, out int result))
                {
                    if (userData == StopMark)
                    {
                        return;
                    }

                    ref Entry entry = ref _entries[(int)userData];
                    if (entry.Progress.IsFinished(_file, entry.Request!, result, out StorageException? problem))
                    {
                        _finished[numFinished++] = new Finished(entry.Request!, problem);
                        FreeLocked((int)userData);
                    }
                    else
                    {
                        PushLocked((int)userData);
                    }
                }

                error = StartLocked(ref refused);
            }

            for (int i = 0; i < numFinished; i++)
            {
                (BlockRequest request, StorageException? problem) = _finished[i];
                _finished[i] = default;
                request.Complete(problem);
            }

            Leave(numFinished);
            CompleteRefused(refused, error);
        }
    }

    private void WaitForCompletion()
    {
        int error = _ring.Wait();
        if (error is not (0 or Libc.Eintr or Libc.Eagain or Libc.Ebusy))
        {
            throw new InvalidOperationException($"io_uring_enter failed with errno {error}, which only a defect of this program explains");
        }
    }

    // Fills the free entries from those that wait and gives all that was pushed to the kernel. What was cancelled, or the kernel refuses with the
    // errno returned, comes back in the list, to be completed outside the lock.
    private int StartLocked(ref WaitingList<BlockRequest> refused)
    {
        int lastError = 0;
        int error;
        do
        {
            while (_freeEntry != NoEntry && _waiting.TryTake(out BlockRequest? request))
            {
                if (request.IsCancelled)
                {
                    refused.Add(request);
                    continue;
                }

                int index = _freeEntry;
                ref Entry entry = ref _entries[index];
                _freeEntry = entry.NextFree;
                _numInFlight++;
                entry.Request = request;
                entry.Progress = default;
                PushLocked(index);
            }

            error = _ring.Submit();
            while (error != 0 && _ring.TryTakeBack(out ulong userData))
            {
                lastError = error;
                refused.Add(_entries[(int)userData].Request!);
                FreeLocked((int)userData);
            }
        }
        while (error != 0 && _numInFlight == 0 && !_waiting.IsEmpty); // Nobody else would start those that wait.

        return lastError;
    }

    private void PushLocked(int index)
    {
        ref Entry entry = ref _entries[index];
        BlockRequest request = entry.Request!;
        bool isRead = request.Operation == BlockOperation.Read;
        long offsetBytes = request.OffsetBytes + entry.Progress.DoneBytes;
        byte* address = request.Address + entry.Progress.DoneBytes;
        int restBytes = request.SizeBytes - entry.Progress.DoneBytes;
        if (_registered.TryFind(address, restBytes, out int piece))
        {
            _ring.Push(isRead ? IoUringOperation.ReadFixed : IoUringOperation.WriteFixed, _file.Descriptor, offsetBytes, address, restBytes, (ulong)index, piece);
        }
        else
        {
            _ring.Push(isRead ? IoUringOperation.Read : IoUringOperation.Write, _file.Descriptor, offsetBytes, address, restBytes, (ulong)index);
        }
    }

    private void FreeLocked(int index)
    {
        _entries[index].Request = null;
        _entries[index].NextFree = _freeEntry;
        _freeEntry = index;
        _numInFlight--;
    }

    private void CompleteRefused(WaitingList<BlockRequest> refused, int error)
    {
        while (refused.TryTake(out BlockRequest? request))
        {
            request.Complete(request.IsCancelled ? new OperationCanceledException() : _file.Error(request, error));
            Leave(1);
        }
    }

    private void Leave(int count)
    {
        lock (_gate)
        {
            _numOutstanding -= count;
            if (_numOutstanding == 0 && _isClosing)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    private sealed class Registration(RingEngine engine, byte* address) : IDisposable
    {
        public void Dispose()
        {
            lock (engine._gate)
            {
                if (!engine._isStopped)
                {
                    engine._registered.Remove(address);
                }
            }
        }
    }

    /// <summary>A place for a request that is with the kernel.</summary>
    private struct Entry
    {
        public BlockRequest? Request;
        public TransferProgress Progress;
        public int NextFree;
    }

    private readonly record struct Finished(BlockRequest Request, StorageException? Problem);
}
