using System.Runtime.InteropServices;
using Offload.Storage.Interop;

namespace Offload.Storage.Memory;

/// <summary>The memory of a <see cref="SlotArena"/>: mapped, as it was wished for as far as the system grants it.</summary>
internal sealed unsafe class MappedRegion : IDisposable
{
    private static long _outstandingBytes;

    private byte* _address;

    /// <param name="sizeBytes">A multiple of a page.</param>
    /// <param name="name">For messages.</param>
    /// <param name="options">The wishes.</param>
    /// <exception cref="MemoryLimitException">The system has no such room.</exception>
    internal MappedRegion(long sizeBytes, string name, SlotArenaOptions options)
    {
        SizeBytes = sizeBytes;
        int errno = MappedMemory.Map(sizeBytes, options.UsesHugePages ? MappedMemory.HugePageBytes : SlotArena.AlignmentBytes, out _address);
        if (errno != 0)
        {
            throw new MemoryLimitException($"{name}: the system refuses {sizeBytes} bytes of memory: {Describe(errno)}");
        }

        Interlocked.Add(ref _outstandingBytes, sizeBytes);
        HasHugePages = options.UsesHugePages && MappedMemory.UseHugePages(_address, sizeBytes) == 0;
        if (options.IsLocked)
        {
            errno = MappedMemory.Lock(_address, sizeBytes);
            IsLocked = errno == 0;
            LockProblem = errno == 0 ? null : $"{name}: the system does not lock {sizeBytes} bytes: {Describe(errno)}; see ulimit -l";
        }
    }

    /// <summary>Bytes of all regions that are not yet disposed.</summary>
    internal static long OutstandingBytes => Interlocked.Read(ref _outstandingBytes);

    internal long SizeBytes { get; }

    internal bool HasHugePages { get; }

    internal bool IsLocked { get; }

    internal string? LockProblem { get; }

    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    internal byte* Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_address is null, this);
            return _address;
        }
    }

    public void Dispose()
    {
        if (_address is not null)
        {
            MappedMemory.Unmap(_address, SizeBytes);
            _address = null;
            Interlocked.Add(ref _outstandingBytes, -SizeBytes);
        }
    }

    private static string Describe(int errno) => $"{Marshal.GetPInvokeErrorMessage(errno)} ({errno})";
}
