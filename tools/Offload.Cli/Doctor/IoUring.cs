using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Offload.Cli.Doctor;

/// <summary>An io_uring of four entries that can read one block: enough to see whether the system lets us use one. One thread.</summary>
/// <remarks>Offsets and numbers are those of linux/io_uring.h, the same on every architecture.</remarks>
internal sealed unsafe partial class IoUring : IDisposable
{
    private const long Setup = 425;
    private const long Enter = 426;
    private const int NumEntries = 4;
    private const int ParametersBytes = 120;
    private const int EntryBytes = 64;
    private const long SubmissionRing = 0;
    private const long CompletionRing = 0x8000000;
    private const long SubmissionEntries = 0x10000000;
    private const byte ReadOperation = 22;
    private const int WaitForCompletion = 1;
    private const int ReadWrite = 0x1 | 0x2;
    private const int SharedPopulated = 0x1 | 0x8000;
    private static readonly nint Failed = -1;

    private readonly SafeFileHandle _ring;
    private readonly uint[] _parameters;

    private IoUring(int descriptor, uint[] parameters)
    {
        _ring = new SafeFileHandle(descriptor, ownsHandle: true);
        _parameters = parameters;
    }

    /// <summary>Sets one up; null with the system's reason if it refuses.</summary>
    internal static IoUring? TryCreate(out string? problem)
    {
        uint[] parameters = new uint[ParametersBytes / sizeof(uint)];
        fixed (uint* pointer = parameters)
        {
            long descriptor = SystemCall(Setup, NumEntries, (nint)pointer, 0, 0, 0, 0);
            problem = descriptor < 0 ? Marshal.GetLastPInvokeErrorMessage() : null;
            return descriptor < 0 ? null : new IoUring((int)descriptor, parameters);
        }
    }

    /// <summary>Reads from the start of a file and waits for it; null if all bytes came, else why not.</summary>
    internal string? TryRead(SafeFileHandle file, void* destination, int sizeBytes)
    {
        // struct io_uring_params in 32-bit words: sq_entries 0, cq_entries 1; sq_off from 10: head, tail, mask, entries, flags, dropped, array;
        // cq_off from 20: head, tail, mask, entries, overflow, cqes.
        nuint submissionBytes = _parameters[16] + (_parameters[0] * sizeof(uint));
        nuint completionBytes = _parameters[25] + (_parameters[1] * 16);
        nuint entriesBytes = _parameters[0] * EntryBytes;
        nint submission = Map(submissionBytes, SubmissionRing);
        nint completion = Map(completionBytes, CompletionRing);
        nint entries = Map(entriesBytes, SubmissionEntries);
        try
        {
            return submission == Failed || completion == Failed || entries == Failed
                ? Marshal.GetLastPInvokeErrorMessage()
                : Read((byte*)submission, (byte*)completion, (byte*)entries, file, destination, sizeBytes);
        }
        finally
        {
            Unmap(submission, submissionBytes);
            Unmap(completion, completionBytes);
            Unmap(entries, entriesBytes);
        }
    }

    public void Dispose() => _ring.Dispose();

    private string? Read(byte* submission, byte* completion, byte* entries, SafeFileHandle file, void* destination, int sizeBytes)
    {
        uint* tail = (uint*)(submission + _parameters[11]);
        uint slot = *tail & *(uint*)(submission + _parameters[12]);

        // struct io_uring_sqe: opcode (1), flags (1), ioprio (2), fd (4), offset (8), address (8), length (4), ...
        byte* entry = entries + (slot * EntryBytes);
        new Span<byte>(entry, EntryBytes).Clear();
        entry[0] = ReadOperation;
        *(int*)(entry + 4) = (int)file.DangerousGetHandle();
        *(ulong*)(entry + 16) = (ulong)destination;
        *(uint*)(entry + 24) = (uint)sizeBytes;
        ((uint*)(submission + _parameters[16]))[slot] = slot;
        Volatile.Write(ref *tail, *tail + 1);
        long submitted = SystemCall(Enter, _ring.DangerousGetHandle(), 1, 1, WaitForCompletion, 0, 0);
        GC.KeepAlive(file);
        if (submitted != 1)
        {
            return submitted < 0 ? Marshal.GetLastPInvokeErrorMessage() : "nothing was submitted";
        }

        // struct io_uring_cqe: user data (8), result (4), flags (4).
        uint* head = (uint*)(completion + _parameters[20]);
        if (Volatile.Read(ref *(uint*)(completion + _parameters[21])) == *head)
        {
            return "nothing was completed";
        }

        int result = *(int*)(completion + _parameters[25] + ((*head & *(uint*)(completion + _parameters[22])) * 16) + 8);
        Volatile.Write(ref *head, *head + 1);
        return result == sizeBytes ? null
            : result < 0 ? Marshal.GetPInvokeErrorMessage(-result)
            : $"read {result} of {sizeBytes} bytes";
    }

    private nint Map(nuint sizeBytes, long offset) => MapMemory(0, sizeBytes, ReadWrite, SharedPopulated, (int)_ring.DangerousGetHandle(), offset);

    private static void Unmap(nint address, nuint sizeBytes)
    {
        if (address != Failed)
        {
            _ = UnmapMemory(address, sizeBytes);
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MapMemory(nint address, nuint sizeBytes, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int UnmapMemory(nint address, nuint sizeBytes);
}
