using System.Globalization;
using Offload.Storage.Memory;

namespace Offload.Engine.Cuda;

/// <summary>
/// Pins existing CPU memory, so that the GPU copies from and to it by itself and kernels use the same address. The memory is the caller's and
/// must outlive this. Slow (0.1 to 1 s a GiB): once for a run, never for a step.
/// </summary>
/// <remarks>
/// Pinned in pieces that end at multiples of 1 GiB of the address: pages that are touched for the first time are so by several threads, the
/// driver's lock is never held for long, and drivers refuse 512 GiB in one call. A copy must not run over such an end (the driver refuses it as
/// invalid); <see cref="CudaStream.Copy"/> cuts it there. Kernels may.
/// </remarks>
internal sealed unsafe class PinnedMemory : IDisposable
{
    internal const long PieceBytes = 1L << 30;

    // The driver takes a lock for the most part of it: more threads only queue there.
    private const int MaxThreads = 4;

    private const double GiB = 1L << 30;

    private readonly CudaDevice _device;
    private readonly nint[] _starts;
    private readonly bool[] _isRegistered;
    private int _numTaken;
    private int _firstError;
    private bool _isDisposed;

    /// <param name="device">The GPU; all others of the process may use the memory too.</param>
    /// <param name="address">First byte, aligned as <see cref="NativeBuffer"/> aligns.</param>
    /// <param name="sizeBytes">Size; zero is allowed.</param>
    /// <exception cref="CudaException">The system or the driver does not let so much be pinned; then none is.</exception>
    /// <exception cref="ArgumentException">The address is not aligned.</exception>
    public PinnedMemory(CudaDevice device, byte* address, long sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        if ((nuint)address % NativeBuffer.AlignmentBytes != 0)
        {
            throw new ArgumentException($"memory to pin must be aligned to {NativeBuffer.AlignmentBytes} bytes", nameof(address));
        }

        _device = device;
        Address = address;
        SizeBytes = sizeBytes;
        _starts = PieceStarts(address, sizeBytes);
        _isRegistered = new bool[_starts.Length];
        RegisterAll();
        if (_firstError != 0)
        {
            Dispose();
            throw new CudaException(
                string.Create(CultureInfo.InvariantCulture, $"pin {sizeBytes / GiB:F2} GiB of CPU memory"), CudaDriver.Describe(_firstError),
                "the system limits what a process may pin ('ulimit -l', the container's memory limit): raise it, or give this run less CPU memory");
        }
    }

    /// <summary>First byte, for the host and for the GPU.</summary>
    public byte* Address { get; }

    /// <summary>Size.</summary>
    public long SizeBytes { get; }

    /// <summary>Bytes from an address to where a piece that holds it would end at the latest.</summary>
    internal static long ToPieceEnd(byte* address) => PieceBytes - ((long)address & (PieceBytes - 1));

    /// <summary>First bytes of the pieces of a range.</summary>
    internal static nint[] PieceStarts(byte* address, long sizeBytes)
    {
        var starts = new List<nint>();
        for (byte* start = address; start < address + sizeBytes; start += ToPieceEnd(start))
        {
            starts.Add((nint)start);
        }

        return [.. starts];
    }

    /// <summary>Lets go of the memory, last piece first; the GPU must be done with it. Idempotent.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _device.MakeCurrent();
        for (int piece = _starts.Length - 1; piece >= 0; piece--)
        {
            if (_isRegistered[piece])
            {
                CudaDriver.CheckRelease(CudaDriver.cuMemHostUnregister((byte*)_starts[piece]), "unpin CPU memory");
            }
        }
    }

    private void RegisterAll()
    {
        int numThreads = Math.Min(Math.Min(_starts.Length, MaxThreads), Environment.ProcessorCount);
        if (numThreads <= 1)
        {
            RegisterPieces();
            return;
        }

        Thread[] threads = [.. Enumerable.Range(0, numThreads).Select(index => new Thread(RegisterPieces) { Name = $"pin {index}", IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
    }

    /// <summary>Each thread takes the next piece until there is none, or one failed.</summary>
    private void RegisterPieces()
    {
        try
        {
            _device.MakeCurrent();
        }
        catch (CudaException error)
        {
            // The constructor tells: an exception would end the process from a thread of its own.
            Interlocked.CompareExchange(ref _firstError, error.Result, 0);
        }

        byte* end = Address + SizeBytes;
        while (Volatile.Read(ref _firstError) == 0 && Interlocked.Increment(ref _numTaken) - 1 is int piece && piece < _starts.Length)
        {
            var start = (byte*)_starts[piece];
            long sizeBytes = Math.Min(ToPieceEnd(start), end - start);
            int result = CudaDriver.cuMemHostRegister_v2(start, (nuint)sizeBytes, CudaDriver.HostRegisterPortableMapped);
            _isRegistered[piece] = result == 0;
            if (result != 0)
            {
                Interlocked.CompareExchange(ref _firstError, result, 0);
            }
        }
    }
}
