using System.Runtime.InteropServices;
using Offload.Engine.Cuda;
using Offload.Engine.Cuda.Kernels;
using Offload.Engine.Models;
using Offload.Storage.Numerics;

namespace Offload.Engine.Tests.Cuda.Kernels;

/// <summary>A GPU's kernels for one element type, arrays for them, and the largest errors found.</summary>
internal sealed unsafe class KernelLab : IDisposable
{
    // Half a unit in the last place of bfloat16. Errors of fp32 are of the size of what was added, not of what is left: small results are measured by the largest.
    private const double BFloat16Limit = 1.0 / 256;
    private const double BFloat16Floor = 1e-3;
    private const double Float32Limit = 1e-5;
    private const double Float32Floor = 0.05;

    private readonly CudaDevice _device;
    private readonly List<DeviceArray> _arrays = [];

    public KernelLab(CudaDevice device, ComputeType type)
    {
        _device = device;
        Type = type;
        Stream = CudaStream.Default(device);
        Kernels = new CudaKernels(device, Stream, type);
    }

    public ComputeType Type { get; }

    public CudaStream Stream { get; }

    public CudaKernels Kernels { get; }

    public int ElementBytes => Type == ComputeType.BFloat16 ? sizeof(ushort) : sizeof(float);

    /// <summary>By kernel: the largest error, relative to the value or to a part of the largest value.</summary>
    public SortedDictionary<string, double> Errors { get; } = new(StringComparer.Ordinal);

    public List<string> Failures { get; } = [];

    /// <summary>Random numbers that the element type holds exactly.</summary>
    public float[] Normal(Random random, long count, double scale = 1, double mean = 0)
    {
        var values = new float[count];
        for (long i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = Rounded((float)(mean + (scale * radius * Math.Cos(2 * Math.PI * random.NextDouble()))));
        }

        return values;
    }

    public float Rounded(float value) => Type == ComputeType.BFloat16 ? BFloat16Convert.ToSingle(BFloat16Convert.FromSingle(value)) : value;

    /// <summary>An array of elements; its distance from alignment in elements.</summary>
    public DeviceArray Elements(ReadOnlySpan<float> values, int offset = 0)
    {
        DeviceArray array = Empty(values.Length, offset);
        WriteElements(array, values);
        return array;
    }

    public DeviceArray Empty(long count, int offset = 0) => Keep(new DeviceArray(_device, Stream, count * ElementBytes, offset * ElementBytes));

    public DeviceArray Bytes(long count) => Keep(new DeviceArray(_device, Stream, count));

    public DeviceArray Of<T>(ReadOnlySpan<T> values, int offset = 0)
        where T : unmanaged
    {
        DeviceArray array = Keep(new DeviceArray(_device, Stream, values.Length * (long)sizeof(T), offset * sizeof(T)));
        array.Write(values);
        return array;
    }

    public void WriteElements(DeviceArray array, ReadOnlySpan<float> values)
    {
        if (Type == ComputeType.Float32)
        {
            array.Write(values);
            return;
        }

        var bits = new ushort[values.Length];
        BFloat16Convert.FromSingle(values, bits);
        array.Write<ushort>(bits);
    }

    public float[] ReadElements(DeviceArray array, int count)
    {
        if (Type == ComputeType.Float32)
        {
            return array.Read<float>(count);
        }

        var values = new float[count];
        BFloat16Convert.ToSingle(array.Read<ushort>(count), values);
        return values;
    }

    /// <summary>Results in the element type: right to its rounding, and a little more for fp32's.</summary>
    public void CompareElements(string kernel, string what, ReadOnlySpan<float> actual, ReadOnlySpan<double> expected) =>
        Compare(
            kernel, what, actual, expected, Type == ComputeType.BFloat16 ? BFloat16Limit : Float32Limit, Type == ComputeType.BFloat16 ? BFloat16Floor : Float32Floor);

    /// <summary>Results in fp32.</summary>
    public void CompareFloats(string kernel, string what, ReadOnlySpan<float> actual, ReadOnlySpan<double> expected) =>
        Compare(kernel, what, actual, expected, Float32Limit, Float32Floor);

    public void CompareBits<T>(string kernel, string what, ReadOnlySpan<T> actual, ReadOnlySpan<T> expected)
        where T : unmanaged
    {
        Errors.TryAdd(kernel, 0);
        int at = MemoryMarshal.AsBytes(actual).CommonPrefixLength(MemoryMarshal.AsBytes(expected));
        if (at < actual.Length * sizeof(T) || actual.Length != expected.Length)
        {
            Failures.Add($"{kernel} {Type} {what}: element {at / sizeof(T)}: expected {expected[at / sizeof(T)]}, found {actual[at / sizeof(T)]}");
            Errors[kernel] = double.PositiveInfinity;
        }
    }

    /// <summary>Frees all arrays.</summary>
    public void Free()
    {
        _arrays.ForEach(array => array.Dispose());
        _arrays.Clear();
    }

    public void Dispose()
    {
        Stream.Synchronize();
        Free();
        Kernels.Dispose();
    }

    private DeviceArray Keep(DeviceArray array)
    {
        _arrays.Add(array);
        return array;
    }

    private void Compare(string kernel, string what, ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, double limit, double floor)
    {
        double largest = 0;
        foreach (double value in expected)
        {
            largest = Math.Max(largest, double.IsFinite(value) ? Math.Abs(value) : 0);
        }

        double worst = 0;
        int at = -1;
        for (int i = 0; i < expected.Length; i++)
        {
            double error = double.IsNaN(expected[i]) && float.IsNaN(actual[i]) ? 0
                : Math.Abs(actual[i] - expected[i]) / Math.Max(Math.Abs(expected[i]), Math.Max(floor * largest, 1e-30));
            error = double.IsNaN(error) ? double.PositiveInfinity : error;
            if (error > worst)
            {
                (worst, at) = (error, i);
            }
        }

        Errors[kernel] = Math.Max(Errors.GetValueOrDefault(kernel), worst);
        if (worst > limit)
        {
            Failures.Add($"{kernel} {Type} {what}: element {at}: expected {expected[at]}, found {actual[at]}: relative error {worst:E2}, at most {limit:E2}");
        }
    }
}
