using Offload.Engine.Cuda;

namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>An array in GPU memory, at a wanted distance from alignment.</summary>
internal sealed unsafe class DeviceArray(CudaDevice device, CudaStream stream, long sizeBytes, int offsetBytes = 0) : IDisposable
{
    private readonly DeviceMemory _memory = new(device, sizeBytes + offsetBytes, "a check", limit: null);

    public byte* Address => _memory.Address + offsetBytes;

    public void Write<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        fixed (T* source = values)
        {
            stream.Copy(Address, source, values.Length * (long)sizeof(T));
            stream.Synchronize();
        }
    }

    public T[] Read<T>(int count)
        where T : unmanaged
    {
        var values = new T[count];
        fixed (T* destination = values)
        {
            stream.Copy(destination, Address, count * (long)sizeof(T));
            stream.Synchronize();
        }

        return values;
    }

    public void Dispose() => _memory.Dispose();
}
