using System.Runtime.InteropServices;

namespace Offload.Benchmarks;

/// <summary>An array in native memory, aligned to huge pages, touched on creation. Owned by its creator.</summary>
internal sealed unsafe class NativeArray<T> : IDisposable
    where T : unmanaged
{
    private const nuint HugePageBytes = 2 << 20;

    private T* _address;

    public NativeArray(long count, bool hugePages)
    {
        nuint sizeBytes = (nuint)(count * sizeof(T));
        _address = (T*)NativeMemory.AlignedAlloc(sizeBytes, HugePageBytes);
        if (hugePages)
        {
            Libc.AdviseHugePages((nint)_address, sizeBytes);
        }

        for (long index = 0; index < count; index++)
        {
            _address[index] = default;
        }

        Count = count;
    }

    public long Count { get; }

    public T* Address => _address;

    public void Dispose()
    {
        NativeMemory.AlignedFree(_address);
        _address = null;
    }
}
