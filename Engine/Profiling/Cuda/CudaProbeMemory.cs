using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Storage.Memory;

namespace Offload.Engine.Profiling.Cuda;

/// <summary>
/// GPU memory of a probe, filled with random numbers: a GPU draws less power on zeros and then clocks higher than in training. Freed when this is disposed, by
/// when the GPU must be done with it. One thread.
/// </summary>
/// <param name="device">The GPU; borrowed.</param>
/// <param name="type">Element type.</param>
internal sealed unsafe class CudaProbeMemory(CudaDevice device, ComputeType type) : IDisposable
{
    /// <summary>So many random numbers are made, and repeated: longer than a row of any matrix here.</summary>
    private const int NumRandom = 1 << 22;

    private readonly List<DeviceMemory> _memory = [];
    private NativeBuffer? _random;

    /// <summary>Bytes of an element.</summary>
    public int ElementBytes { get; } = type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort);

    /// <summary>Elements of the type, evenly distributed between minus one and one times a scale.</summary>
    /// <param name="count">How many.</param>
    /// <param name="scale">A power of two.</param>
    /// <exception cref="MemoryLimitException">The GPU has no such room.</exception>
    public byte* Random(long count, float scale = 1)
    {
        byte* address = Allocate(count * ElementBytes);
        NativeBuffer random = _random ??= new NativeBuffer((long)NumRandom * ElementBytes);
        var generator = new Random(1);
        for (int i = 0; i < NumRandom; i++)
        {
            float value = ((generator.NextSingle() * 2) - 1) * scale;
            if (type == ComputeType.Float32)
            {
                ((float*)random.Address)[i] = value;
            }
            else
            {
                // Cut off, not rounded: any number will do.
                ((ushort*)random.Address)[i] = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
            }
        }

        using var stream = new CudaStream(device);
        for (long offset = 0; offset < count * ElementBytes; offset += random.SizeBytes)
        {
            stream.Copy(address + offset, random.Address, Math.Min(random.SizeBytes, (count * ElementBytes) - offset));
        }

        // The host memory is written anew for the next.
        stream.Synchronize();
        return address;
    }

    /// <summary>fp32 zeros.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="MemoryLimitException">The GPU has no such room.</exception>
    public float* Zeros(long count)
    {
        byte* address = Allocate(count * sizeof(float));
        using var stream = new CudaStream(device);
        stream.Clear(address, count * sizeof(float));
        stream.Synchronize();
        return (float*)address;
    }

    /// <summary>Anything.</summary>
    /// <param name="sizeBytes">How much.</param>
    /// <exception cref="MemoryLimitException">The GPU has no such room.</exception>
    public byte* Allocate(long sizeBytes)
    {
        var memory = new DeviceMemory(device, sizeBytes, "the measurement", limit: null);
        _memory.Add(memory);
        return memory.Address;
    }

    /// <summary>Frees all of it; idempotent.</summary>
    public void Dispose()
    {
        _memory.ForEach(memory => memory.Dispose());
        _memory.Clear();
        _random?.Dispose();
        _random = null;
    }
}
