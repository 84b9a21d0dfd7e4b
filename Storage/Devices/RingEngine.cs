using Offload.Storage.Interop;
using Offload.Storage.Memory;

namespace Offload.Storage.Devices;

/// <summary>
/// Transfers by an io_uring. The submitting thread gives its request to the kernel itself while fewer than the queue depth are there; the
/// completion thread blocks until some are done, starts those that wait, and then tells the callers.
/// </summary>
/// <remarks>
/// The completion queue cannot overflow: a request has its slot until its completion was taken, there are as many slots as the submission queue
/// has entries but one (the stop mark's), and the kernel makes the completion queue twice as long.
/// </remarks>
internal sealed unsafe class RingEngine : TransferEngine
{
    private const ulong StopMark = ulong.MaxValue;
    private const int NoSlot = -1;

    // The kernel registers at most 1 GiB in a piece.
    private const int PieceBits = 30;

    private readonly object _gate = new();
    private readonly DirectFile _file;
    private readonly IoUring _ring;
    private readonly Thread _thread;
    private readonly RequestQueue _waiting = new();
    private readonly Slot[] _slots;
    private readonly Finished[] _finished;
    private byte* _registered;
    private long _registeredBytes;
    private int _freeSlot;
    private int _numInFlight;
    private int _numOutstanding;
    private bool _isClosing;
    private bool _isStopped;

    private RingEngine(DirectFile file, IoUring ring, int queueDepth)
    {
        _file = file;
        _ring = ring;
        _slots = new Slot[queueDepth];
        _finished = new Finished[queueDepth];
        for (int i = 0; i < queueDepth; i++)
        {
            _slots[i].NextFree = i + 1 < queueDepth ? i + 1 : NoSlot;
        }

        _thread = new Thread(Run) { Name = "offload-ring", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Sets one up; null with the reason if the system refuses. The file remains the caller's.</summary>
    public static RingEngine? TryCreate(DirectFile file, int queueDepth, out string? problem) =>
        IoUring.TryCreate(queueDepth + 1, out problem) is { } ring ? new RingEngine(file, ring, queueDepth) : null;

    public override void Submit(BlockRequest request)
    {
        var refused = new RequestList();
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

    public override bool TryRegister(NativeBuffer buffer)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosing, typeof(DirectFileDevice));
            if (_registered is not null || buffer.SizeBytes == 0 || _ring.Register((byte*)buffer.Address, buffer.SizeBytes, 1L << PieceBits) != 0)
            {
                return false;
            }

            _registered = (byte*)buffer.Address;
            _registeredBytes = buffer.SizeBytes;
            return true;
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

            var refused = new RequestList();
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

                    ref Slot slot = ref _slots[(int)userData];
                    if (slot.Progress.IsFinished(_file, slot.Request!, result, out StorageException? problem))
                    {
                        _finished[numFinished++] = new Finished(slot.Request!, problem);
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

    // Fills the free slots from those that wait and gives all that was pushed to the kernel. What was cancelled, or the kernel refuses with the
    // errno returned, comes back in the list, to be completed outside the lock.
    private int StartLocked(ref RequestList refused)
    {
        int lastError = 0;
        int error;
        do
        {
            while (_freeSlot != NoSlot && _waiting.TryTake(out BlockRequest? request))
            {
                if (request.IsCancelled)
                {
                    refused.Add(request);
                    continue;
                }

                int index = _freeSlot;
                ref Slot slot = ref _slots[index];
                _freeSlot = slot.NextFree;
                _numInFlight++;
                slot.Request = request;
                slot.Progress = default;
                PushLocked(index);
            }

            error = _ring.Submit();
            while (error != 0 && _ring.TryTakeBack(out ulong userData))
            {
                lastError = error;
                refused.Add(_slots[(int)userData].Request!);
                FreeLocked((int)userData);
            }
        }
        while (error != 0 && _numInFlight == 0 && !_waiting.IsEmpty); // Nobody else would start those that wait.

        return lastError;
    }

    private void PushLocked(int index)
    {
        ref Slot slot = ref _slots[index];
        BlockRequest request = slot.Request!;
        bool isRead = request.Operation == BlockOperation.Read;
        long offsetBytes = request.OffsetBytes + slot.Progress.DoneBytes;
        byte* address = request.Address + slot.Progress.DoneBytes;
        int restBytes = request.SizeBytes - slot.Progress.DoneBytes;
        if (IsRegistered(address, restBytes, out int piece))
        {
            _ring.Push(isRead ? IoUringOperation.ReadFixed : IoUringOperation.WriteFixed, _file.Descriptor, offsetBytes, address, restBytes, (ulong)index, piece);
        }
        else
        {
            _ring.Push(isRead ? IoUringOperation.Read : IoUringOperation.Write, _file.Descriptor, offsetBytes, address, restBytes, (ulong)index);
        }
    }

    private bool IsRegistered(byte* address, int sizeBytes, out int piece)
    {
        long start = address - _registered;
        long end = start + sizeBytes;
        piece = (int)(start >> PieceBits);
        return _registered is not null && start >= 0 && end <= _registeredBytes && piece == (int)((end - 1) >> PieceBits);
    }

    private void FreeLocked(int index)
    {
        _slots[index].Request = null;
        _slots[index].NextFree = _freeSlot;
        _freeSlot = index;
        _numInFlight--;
    }

    private void CompleteRefused(RequestList refused, int error)
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

    private struct Slot
    {
        public BlockRequest? Request;
        public TransferProgress Progress;
        public int NextFree;
    }

    private readonly record struct Finished(BlockRequest Request, StorageException? Problem);
}
