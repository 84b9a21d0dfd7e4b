using System.Runtime.InteropServices;

namespace Offload.Storage.Interop;

/// <summary>
/// One io_uring by raw system calls (Linux 5.6 and later). Its two ends are independent: entries are pushed and submitted by one thread at a
/// time (the caller's lock), completions are taken by one thread at a time.
/// </summary>
/// <remarks>
/// Offsets and numbers are those of linux/io_uring.h, the same on every architecture. No SQPOLL: the kernel reads the submission queue only
/// inside <see cref="Submit"/>, so what it did not take can be taken back. No COOP_TASKRUN: a completion is finished by the thread that
/// submitted the request, which may be deep in a computation and must then be interrupted.
/// </remarks>
internal sealed unsafe partial class IoUring : IDisposable
{
    private const long SetupCall = 425;
    private const long EnterCall = 426;
    private const long RegisterCall = 427;
    private const int RegisterBuffers2 = 15;
    private const int RegisterBuffersUpdate = 16;
    private const uint RegisterSparse = 1;
    private const int ParametersWords = 30;
    private const int EntryBytes = 64;
    private const int CompletionBytes = 16;
    private const long SubmissionRing = 0;
    private const long CompletionRing = 0x8000000;
    private const long SubmissionEntries = 0x10000000;
    private const int WaitForCompletions = 1;

    // IORING_FEAT_RW_CUR_POS came with Linux 5.6, as did IORING_OP_READ and IORING_OP_WRITE.
    private const uint FeatureCurrentPosition = 1 << 3;

    // EAGAIN of a submission is the kernel short of memory for one small object: it passes in microseconds, or the machine is at its end. A
    // millisecond each, and whoever submits or completes beside it waits, too.
    private const int MaxSubmissionTries = 100;

    private readonly int _descriptor;
    private readonly nuint _submissionBytes;
    private readonly nuint _completionBytes;
    private readonly nuint _entriesBytes;
    private readonly uint _submissionMask;
    private readonly uint _completionMask;
    private readonly byte* _submission;
    private readonly byte* _completion;
    private readonly byte* _entries;
    private readonly uint* _submissionHead;
    private readonly uint* _submissionTail;
    private readonly uint* _completionHead;
    private readonly uint* _completionTail;
    private readonly byte* _completions;
    private uint _tail;
    private uint _head;
    private bool _isDisposed;

    // struct io_uring_params in 32-bit words: sq_entries 0, cq_entries 1, flags 2, features 5; sq_off from 10: head, tail, mask, entries,
    // flags, dropped, array; cq_off from 20: head, tail, mask, entries, overflow, cqes.
    private IoUring(int descriptor, uint* parameters, out int error)
    {
        _descriptor = descriptor;
        _submissionBytes = parameters[16] + (parameters[0] * sizeof(uint));
        _completionBytes = parameters[25] + (parameters[1] * CompletionBytes);
        _entriesBytes = parameters[0] * EntryBytes;
        error = MappedMemory.MapShared(descriptor, SubmissionRing, _submissionBytes, out _submission);
        error = error == 0 ? MappedMemory.MapShared(descriptor, CompletionRing, _completionBytes, out _completion) : error;
        error = error == 0 ? MappedMemory.MapShared(descriptor, SubmissionEntries, _entriesBytes, out _entries) : error;
        if (error != 0)
        {
            return;
        }

        _submissionHead = (uint*)(_submission + parameters[10]);
        _submissionTail = (uint*)(_submission + parameters[11]);
        _submissionMask = *(uint*)(_submission + parameters[12]);
        _completionHead = (uint*)(_completion + parameters[20]);
        _completionTail = (uint*)(_completion + parameters[21]);
        _completionMask = *(uint*)(_completion + parameters[22]);
        _completions = _completion + parameters[25];
        for (uint i = 0; i <= _submissionMask; i++)
        {
            ((uint*)(_submission + parameters[16]))[i] = i;
        }

        _tail = *_submissionTail;
        _head = *_completionHead;
    }

    /// <summary>Whether a completion can be taken. Thread of the completions.</summary>
    internal bool HasCompletion => Volatile.Read(ref *_completionTail) != _head;

    /// <summary>Sets one up; null with the reason if the system refuses.</summary>
    /// <param name="numEntries">Entries that can be pushed before a submission; the completion queue has room for twice as many.</param>
    /// <param name="problem">One line.</param>
    internal static IoUring? TryCreate(int numEntries, out string? problem)
    {
        uint* parameters = stackalloc uint[ParametersWords];
        new Span<uint>(parameters, ParametersWords).Clear();
        int descriptor = (int)SystemCall(SetupCall, numEntries, (nint)parameters, 0, 0, 0, 0);
        if (descriptor < 0)
        {
            problem = $"io_uring_setup: {Marshal.GetLastPInvokeErrorMessage()}";
            return null;
        }

        if ((parameters[5] & FeatureCurrentPosition) == 0)
        {
            problem = "the kernel's io_uring is older than Linux 5.6";
            _ = Libc.Close(descriptor);
            return null;
        }

        var ring = new IoUring(descriptor, parameters, out int error);
        if (error != 0)
        {
            problem = $"mapping the queues: {Marshal.GetPInvokeErrorMessage(error)}";
            ring.Dispose();
            return null;
        }

        problem = null;
        return ring;
    }

    /// <summary>Adds an entry; there must be room.</summary>
    /// <param name="operation">IORING_OP_*.</param>
    /// <param name="file">Descriptor.</param>
    /// <param name="offsetBytes">First byte in the file.</param>
    /// <param name="address">First byte in memory.</param>
    /// <param name="sizeBytes">Size.</param>
    /// <param name="userData">Comes back with the completion.</param>
    /// <param name="bufferIndex">Of ReadFixed and WriteFixed: the registered piece that the memory lies in.</param>
    internal void Push(IoUringOperation operation, int file, long offsetBytes, void* address, int sizeBytes, ulong userData, int bufferIndex = 0)
    {
        // struct io_uring_sqe: opcode (1), flags (1), ioprio (2), fd (4), offset (8), address (8), length (4), flags (4), user data (8), buffer index (2), ...
        byte* entry = _entries + ((_tail & _submissionMask) * EntryBytes);
        new Span<byte>(entry, EntryBytes).Clear();
        entry[0] = (byte)operation;
        *(int*)(entry + 4) = file;
        *(long*)(entry + 8) = offsetBytes;
        *(ulong*)(entry + 16) = (ulong)address;
        *(int*)(entry + 24) = sizeBytes;
        *(ulong*)(entry + 32) = userData;
        *(ushort*)(entry + 40) = (ushort)bufferIndex;
        _tail++;
    }

    /// <summary>Gives all pushed entries to the kernel. After an error some may be left: <see cref="TryTakeBack"/>.</summary>
    /// <returns>0 or an errno.</returns>
    internal int Submit()
    {
        Volatile.Write(ref *_submissionTail, _tail);
        for (int i = 0; _tail != Volatile.Read(ref *_submissionHead); i++)
        {
            uint numEntries = _tail - *_submissionHead;
            if (SystemCall(EnterCall, _descriptor, (nint)numEntries, 0, 0, 0, 0) >= 0)
            {
                continue;
            }

            int error = Marshal.GetLastPInvokeError();
            if (error is not (Libc.Eintr or Libc.Eagain or Libc.Ebusy) || i >= MaxSubmissionTries)
            {
                return error;
            }

            if (error != Libc.Eintr)
            {
                Thread.Sleep(1);
            }
        }

        return 0;
    }

    /// <summary>Takes back the last entry that the kernel did not take.</summary>
    internal bool TryTakeBack(out ulong userData)
    {
        if (_tail == Volatile.Read(ref *_submissionHead))
        {
            userData = 0;
            return false;
        }

        _tail--;
        userData = *(ulong*)(_entries + ((_tail & _submissionMask) * EntryBytes) + 32);
        Volatile.Write(ref *_submissionTail, _tail);
        return true;
    }

    /// <summary>Takes the next completion, if there is one.</summary>
    /// <param name="userData">As pushed.</param>
    /// <param name="result">Number of bytes, or minus an errno.</param>
    internal bool TryTake(out ulong userData, out int result)
    {
        if (!HasCompletion)
        {
            userData = 0;
            result = 0;
            return false;
        }

        // struct io_uring_cqe: user data (8), result (4), flags (4). Read before the head moves: then the kernel may overwrite it.
        byte* completion = _completions + ((_head & _completionMask) * CompletionBytes);
        userData = *(ulong*)completion;
        result = *(int*)(completion + 8);
        _head++;
        Volatile.Write(ref *_completionHead, _head);
        return true;
    }

    /// <summary>Makes a table for registered memory, empty; once. Returns 0 or an errno: EINVAL before Linux 5.19.</summary>
    internal int RegisterTable(int numPieces)
    {
        // struct io_uring_rsrc_register: number (4), flags (4), reserved (8), data (8), tags (8).
        ulong* table = stackalloc ulong[4];
        new Span<ulong>(table, 4).Clear();
        ((uint*)table)[0] = (uint)numPieces;
        ((uint*)table)[1] = RegisterSparse;
        return SystemCall(RegisterCall, _descriptor, RegisterBuffers2, (nint)table, 4 * sizeof(ulong), 0, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Pins memory in pieces, each but the last of the given size. Returns 0 or an errno: ENOMEM above the limit on locked memory.</summary>
    internal int UpdateTable(int firstPiece, byte* address, long sizeBytes, long pieceBytes)
    {
        int numPieces = checked((int)((sizeBytes + pieceBytes - 1) / pieceBytes));

        // struct iovec: address, size.
        nuint[] pieces = new nuint[2 * numPieces];
        for (int i = 0; i < numPieces; i++)
        {
            pieces[2 * i] = (nuint)address + ((nuint)i * (nuint)pieceBytes);
            pieces[(2 * i) + 1] = (nuint)Math.Min(pieceBytes, sizeBytes - (i * pieceBytes));
        }

        return Update(firstPiece, numPieces, pieces);
    }

    /// <summary>Releases pieces. Returns 0 or an errno.</summary>
    internal int ClearTable(int firstPiece, int numPieces) => Update(firstPiece, numPieces, new nuint[2 * numPieces]);

    private int Update(int firstPiece, int numPieces, nuint[] pieces)
    {
        fixed (nuint* vectors = pieces)
        {
            // struct io_uring_rsrc_update2: offset (4), reserved (4), data (8), tags (8), number (4), reserved (4). The kernel stops at the first
            // piece that it refuses and returns how many went before.
            ulong* update = stackalloc ulong[4];
            new Span<ulong>(update, 4).Clear();
            ((uint*)update)[0] = (uint)firstPiece;
            update[1] = (ulong)vectors;
            ((uint*)update)[6] = (uint)numPieces;
            long done = SystemCall(RegisterCall, _descriptor, RegisterBuffersUpdate, (nint)update, 4 * sizeof(ulong), 0, 0);
            if (done == numPieces)
            {
                return 0;
            }

            int error = done < 0 ? Marshal.GetLastPInvokeError() : Libc.Enomem;
            if (done > 0)
            {
                _ = Update(firstPiece, (int)done, new nuint[2 * done]);
            }

            return error;
        }
    }

    /// <summary>Blocks until there is a completion, or a signal came. Returns 0 or an errno.</summary>
    internal int Wait() => SystemCall(EnterCall, _descriptor, 0, 1, WaitForCompletions, 0, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>Unmaps and closes; nothing may be in flight.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        Unmap(_submission, _submissionBytes);
        Unmap(_completion, _completionBytes);
        Unmap(_entries, _entriesBytes);
        _ = Libc.Close(_descriptor); // Nothing is in flight: there is nothing that a close could lose.
    }

    private static void Unmap(byte* address, nuint sizeBytes)
    {
        if (address is not null)
        {
            MappedMemory.Unmap(address, (long)sizeBytes);
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);
}
