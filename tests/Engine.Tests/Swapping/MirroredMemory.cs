using Offload.Engine.Models;
using Offload.Engine.Swapping;
using Offload.Storage.Memory;
using Offload.Storage.Numerics;

namespace Offload.Engine.Tests.Swapping;

/// <summary>The same values in CPU memory and on a device, and what the device made of them.</summary>
internal sealed unsafe class MirroredMemory : IDisposable
{
    /// <summary>Behind what is used: must stay as it is.</summary>
    private const int GuardBytes = 4096;
    private const byte Guard = 0xA5;

    private readonly UnitCheckDevice _device;
    private readonly NativeBuffer _host;
    private readonly NativeBuffer _found;
    private readonly IGpuMemory _memory;

    public MirroredMemory(UnitCheckDevice device, long sizeBytes)
    {
        _device = device;
        SizeBytes = sizeBytes;
        long allBytes = ((sizeBytes + GuardBytes - 1) / GuardBytes * GuardBytes) + GuardBytes;
        _host = new NativeBuffer(allBytes);
        _found = new NativeBuffer(allBytes);
        _memory = device.Device.Allocate(allBytes, device.Limit);
        new Span<byte>(Host, (int)allBytes).Fill(Guard);
        Upload();
    }

    /// <summary>Bytes that may be used.</summary>
    public long SizeBytes { get; }

    /// <summary>In CPU memory.</summary>
    public byte* Host => (byte*)_host.Address;

    /// <summary>On the device.</summary>
    public byte* Device => _memory.Address;

    /// <summary>What was downloaded.</summary>
    public byte* Found => (byte*)_found.Address;

    /// <summary>CPU memory to the device.</summary>
    public void Upload()
    {
        _device.Synchronize();
        _device.Device.CopyNow(Host, Device, _host.SizeBytes);
    }

    /// <summary>The device's to <see cref="Found"/>, when it is done with all its work.</summary>
    /// <returns>Whether it wrote behind the end.</returns>
    public bool Download()
    {
        _device.Synchronize();
        _device.Device.CopyNow(Device, Found, _found.SizeBytes);
        int guard = (int)(_found.SizeBytes - SizeBytes);
        return new ReadOnlySpan<byte>(Found + SizeBytes, guard).ContainsAnyExcept(Guard);
    }

    /// <summary>Random values into CPU memory, and to the device.</summary>
    public void Fill(Random random, long count, bool isFloat32, double scale)
    {
        for (long i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            Set(Host, i, (float)(scale * radius * Math.Cos(2 * Math.PI * random.NextDouble())), isFloat32);
        }

        Upload();
    }

    /// <summary>Values into CPU memory, and to the device.</summary>
    public void Set(float[] values, bool isFloat32)
    {
        for (long i = 0; i < values.Length; i++)
        {
            Set(Host, i, values[i], isFloat32);
        }

        Upload();
    }

    /// <summary>Elements as fp32.</summary>
    public static float[] Values(byte* memory, long first, long count, bool isFloat32)
    {
        var values = new float[count];
        for (long i = 0; i < count; i++)
        {
            values[i] = isFloat32 ? ((float*)memory)[first + i] : BFloat16Convert.ToSingle(((ushort*)memory)[first + i]);
        }

        return values;
    }

    public void Dispose()
    {
        _memory.Dispose();
        _found.Dispose();
        _host.Dispose();
    }

    private static void Set(byte* memory, long index, float value, bool isFloat32)
    {
        if (isFloat32)
        {
            ((float*)memory)[index] = value;
        }
        else
        {
            ((ushort*)memory)[index] = BFloat16Convert.FromSingle(value);
        }
    }
}
