using Offload.Engine.Cuda;
using Offload.Engine.Models;
using Offload.Storage.Memory;

namespace Offload.Engine.Tests.Cuda;

/// <summary>Products against a plain loop in fp64.</summary>
[Collection(nameof(ProcessWide))]
public sealed unsafe class CudaGemmTests : IDisposable
{
    private const long WorkspaceBytes = 32L << 20;
    private const int MaxElements = 300 * 300;

    /// <summary>Room before each matrix: tests shift them by so much at most.</summary>
    private const int MaxShiftBytes = 64;

    private static readonly int[] Sizes = [1, 2, 3, 7, 8, 17, 64, 127, 256];

    private readonly CudaDevice _device = CudaTestDevice.OpenOrSkip();
    private readonly CudaStream _stream;
    private readonly DeviceMemory _workspace;
    private readonly CudaGemm _gemm;
    private readonly Matrix _left;
    private readonly Matrix _right;
    private readonly Matrix _destination;
    private readonly Matrix _bias;
    private readonly Matrix _addend;

    public CudaGemmTests()
    {
        _stream = CudaStream.Default(_device);
        _workspace = new DeviceMemory(_device, WorkspaceBytes, "workspace", null);
        _gemm = new CudaGemm(_device, _stream, _workspace.Address, _workspace.SizeBytes);
        _left = new Matrix(_device);
        _right = new Matrix(_device);
        _destination = new Matrix(_device);
        _bias = new Matrix(_device);
        _addend = new Matrix(_device);
    }

    public static TheoryData<bool, bool, ComputeType, bool> Storages()
    {
        var data = new TheoryData<bool, bool, ComputeType, bool>();
        foreach (bool transposeLeft in (ReadOnlySpan<bool>)[false, true])
        {
            foreach (bool transposeRight in (ReadOnlySpan<bool>)[false, true])
            {
                data.Add(transposeLeft, transposeRight, ComputeType.Float32, true);
                data.Add(transposeLeft, transposeRight, ComputeType.BFloat16, false);
                data.Add(transposeLeft, transposeRight, ComputeType.BFloat16, true);
            }
        }

        return data;
    }

    public void Dispose()
    {
        foreach (Matrix matrix in (ReadOnlySpan<Matrix>)[_left, _right, _destination, _bias, _addend])
        {
            matrix.Dispose();
        }

        _gemm.Dispose();
        _gemm.Dispose();
        _workspace.Dispose();
        _stream.Dispose();
        _device.Dispose();
    }

    [Theory]
    [MemberData(nameof(Storages))]
    public void Multiply_AnySizesAndParts_IsTheProduct(bool transposeLeft, bool transposeRight, ComputeType type, bool intoFloat32)
    {
        var random = new Random(type == ComputeType.Float32 ? 1 : 2);
        for (int round = 0; round < 60; round++)
        {
            var shape = new GemmShape(Pick(random), Pick(random), Pick(random), transposeLeft, transposeRight, type, intoFloat32, Accumulates: round % 3 == 2);
            Check(shape, hasBias: round % 2 == 1, hasAddend: round % 3 == 1, shiftBytes: 0, random);
        }
    }

    /// <summary>Tensors of a unit follow each other without gaps: after one of odd size they begin anywhere.</summary>
    [Theory]
    [InlineData(ComputeType.BFloat16, 2)]
    [InlineData(ComputeType.BFloat16, 4)]
    [InlineData(ComputeType.BFloat16, 8)]
    [InlineData(ComputeType.Float32, 4)]
    [InlineData(ComputeType.Float32, 8)]
    public void Multiply_AddressesOfOneElementsAlignment_IsTheProduct(ComputeType type, int shiftBytes)
    {
        var random = new Random(shiftBytes);
        foreach (int size in Sizes)
        {
            var shape = new GemmShape(Pick(random), size, Pick(random), random.Next(2) == 1, random.Next(2) == 1, type, type == ComputeType.Float32, Accumulates: false);
            Check(shape, hasBias: true, hasAddend: true, shiftBytes, random);
        }
    }

    [Fact]
    public void Multiply_Accumulated_AddsUpOverCalls()
    {
        var shape = new GemmShape(16, 24, 8, TransposeLeft: true, TransposeRight: false, ComputeType.BFloat16, IntoFloat32: true, Accumulates: true);
        _left.Fill(16 * 8, ComputeType.BFloat16, 0, () => 1);
        _right.Fill(8 * 24, ComputeType.BFloat16, 0, () => 0.5);
        _destination.Fill(16 * 24, ComputeType.Float32, 0, () => 0.25);

        for (int round = 0; round < 3; round++)
        {
            _gemm.Multiply(shape, _left.Address, _right.Address, _destination.Address);
        }

        Assert.All(_destination.Read(_stream, 16 * 24, ComputeType.Float32), value => Assert.Equal(12.25, value));
        Assert.Equal(1, _gemm.NumPlans);
    }

    [Fact]
    public void Multiply_AgainWithAnotherBias_TakesThatBiasAndAllocatesNothing()
    {
        var shape = new GemmShape(32, 16, 8, TransposeLeft: false, TransposeRight: true, ComputeType.BFloat16, IntoFloat32: false, Accumulates: false);
        _left.Fill(32 * 8, ComputeType.BFloat16, 0, () => 0);
        _right.Fill(16 * 8, ComputeType.BFloat16, 0, () => 0);
        _bias.Fill(16, ComputeType.BFloat16, 0, () => 1);
        _addend.Fill(16, ComputeType.BFloat16, 0, () => 2);
        _gemm.Multiply(shape, _left.Address, _right.Address, _destination.Address, _bias.Address);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 100; round++)
        {
            _gemm.Multiply(shape, _left.Address, _right.Address, _destination.Address, _addend.Address);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.All(_destination.Read(_stream, 32 * 16, ComputeType.BFloat16), value => Assert.Equal(2, value));
        Assert.Equal(1, _gemm.NumPlans);
    }

    [Fact]
    public void Multiply_AddendThatIsTheDestination_IsAddedInPlace()
    {
        var shape = new GemmShape(8, 8, 8, false, false, ComputeType.Float32, IntoFloat32: true, Accumulates: false);
        _left.Fill(64, ComputeType.Float32, 0, () => 1);
        _right.Fill(64, ComputeType.Float32, 0, () => 1);
        _destination.Fill(64, ComputeType.Float32, 0, () => 2);

        _gemm.Multiply(shape, _left.Address, _right.Address, _destination.Address, addend: _destination.Address);

        Assert.All(_destination.Read(_stream, 64, ComputeType.Float32), value => Assert.Equal(10, value));
    }

    /// <summary>A K so long that algorithms split it: the same bits each time, also from another CudaGemm and at other addresses.</summary>
    [Fact]
    public void Multiply_LongSums_AreTheSameBitsEachTime()
    {
        var shape = new GemmShape(16, 16, 5000, TransposeLeft: true, TransposeRight: false, ComputeType.BFloat16, IntoFloat32: true, Accumulates: false);
        var random = new Random(5);
        _left.Fill(16 * 5000, ComputeType.BFloat16, 0, () => random.NextDouble() - 0.5);
        _right.Fill(16 * 5000, ComputeType.BFloat16, 0, () => random.NextDouble() - 0.5);
        _gemm.Multiply(shape, _left.Address, _right.Address, _destination.Address);
        double[] first = _destination.Read(_stream, 256, ComputeType.Float32);
        using var other = new CudaGemm(_device, _stream, _workspace.Address, _workspace.SizeBytes);
        for (int round = 0; round < 20; round++)
        {
            other.Multiply(shape, _left.Address, _right.Address, _destination.Address + (round % 4 * 16));
            Assert.Equal(first, _destination.Read(_stream, 256, ComputeType.Float32, round % 4 * 16));
        }
    }

    [Fact]
    public void Multiply_NoSize_IsRefused()
    {
        var shape = new GemmShape(8, 0, 8, false, false, ComputeType.Float32, true, false);

        Assert.Throws<ArgumentOutOfRangeException>(() => _gemm.Multiply(shape, _left.Address, _right.Address, _destination.Address));
        Assert.Throws<ArgumentException>(() => _gemm.Multiply(shape with { Accumulates = true }, _left.Address, _right.Address, _destination.Address, addend: _addend.Address));
        Assert.Throws<ArgumentException>(() => new CudaGemm(_device, _stream, _workspace.Address + 16, 1024));
    }

    private static int Pick(Random random) => Sizes[random.Next(Sizes.Length)];

    private void Check(GemmShape shape, bool hasBias, bool hasAddend, int shiftBytes, Random random)
    {
        ComputeType resultType = shape.IntoFloat32 ? ComputeType.Float32 : shape.Type;
        double[] left = _left.Fill(shape.M * shape.K, shape.Type, shiftBytes, Next);
        double[] right = _right.Fill(shape.K * shape.N, shape.Type, shiftBytes, Next);
        double[] before = _destination.Fill(shape.M * shape.N, resultType, shiftBytes, Next);
        double[] bias = _bias.Fill(shape.N, resultType, shiftBytes, Next);
        double[] addend = _addend.Fill(shape.M * shape.N, resultType, shiftBytes, Next);
        var key = new GemmKey(shape, hasBias, hasAddend, default);

        _gemm.Multiply(
            shape, _left.Address + shiftBytes, _right.Address + shiftBytes, _destination.Address + shiftBytes,
            hasBias ? _bias.Address + shiftBytes : null, hasAddend ? _addend.Address + shiftBytes : null);

        double[] result = _destination.Read(_stream, (shape.M * shape.N) + 1, resultType, shiftBytes);
        // fp32 sums of K terms of at most 1, and one rounding of the result: 8 bits of bf16, with room for what the parts cancel.
        double tolerance = (shape.K + 4) * 1e-6;
        double relative = resultType == ComputeType.BFloat16 ? 1.0 / 256 : 0;
        for (int row = 0; row < shape.M; row++)
        {
            for (int column = 0; column < shape.N; column++)
            {
                int index = (row * shape.N) + column;
                double expected = (hasBias ? bias[column] : 0) + (shape.Accumulates ? before[index] : hasAddend ? addend[index] : 0);
                for (int k = 0; k < shape.K; k++)
                {
                    expected += left[shape.TransposeLeft ? (k * shape.M) + row : (row * shape.K) + k] * right[shape.TransposeRight ? (column * shape.K) + k : (k * shape.N) + column];
                }

                Assert.True(Math.Abs(result[index] - expected) <= tolerance + (relative * Math.Abs(expected)), $"{key.Describe()}, shifted by {shiftBytes}, at [{row}, {column}]: expected {expected}, found {result[index]}");
            }
        }

        Assert.Equal(Matrix.Beyond, result[^1]);

        double Next() => (random.NextDouble() * 2) - 1;
    }

    /// <summary>A matrix on the GPU, with its copy in pinned memory.</summary>
    private sealed class Matrix : IDisposable
    {
        /// <summary>What follows the last element: a product must leave it.</summary>
        internal const double Beyond = 77;

        private readonly NativeBuffer _host = new((MaxElements * sizeof(float)) + MaxShiftBytes + sizeof(float));
        private readonly PinnedMemory _pinned;
        private readonly DeviceMemory _memory;
        private readonly CudaStream _stream;

        internal Matrix(CudaDevice device)
        {
            _pinned = new PinnedMemory(device, (byte*)_host.Address, _host.SizeBytes);
            _memory = new DeviceMemory(device, _host.SizeBytes, "matrix", null);
            _stream = CudaStream.Default(device);
        }

        internal byte* Address => _memory.Address;

        public void Dispose()
        {
            _memory.Dispose();
            _pinned.Dispose();
            _host.Dispose();
        }

        /// <summary>Fills it, shifted; returns the values as they are stored.</summary>
        internal double[] Fill(int count, ComputeType type, int shiftBytes, Func<double> next)
        {
            var values = new double[count];
            byte* start = _pinned.Address + shiftBytes;
            for (int index = 0; index <= count; index++)
            {
                var value = (float)(index == count ? Beyond : next());
                if (type == ComputeType.Float32)
                {
                    ((float*)start)[index] = value;
                }
                else
                {
                    // Cut off, not rounded: any bf16 will do.
                    uint bits = BitConverter.SingleToUInt32Bits(value) & 0xffff0000;
                    ((ushort*)start)[index] = (ushort)(bits >> 16);
                    value = BitConverter.UInt32BitsToSingle(bits);
                }

                if (index < count)
                {
                    values[index] = value;
                }
            }

            _stream.Copy(_memory.Address, _pinned.Address, _pinned.SizeBytes);
            _stream.Synchronize();
            return values;
        }

        internal double[] Read(CudaStream stream, int count, ComputeType type, int shiftBytes = 0)
        {
            stream.Copy(_pinned.Address, _memory.Address, _pinned.SizeBytes);
            stream.Synchronize();
            byte* start = _pinned.Address + shiftBytes;
            var values = new double[count];
            for (int index = 0; index < count; index++)
            {
                values[index] = type == ComputeType.Float32 ? ((float*)start)[index] : BitConverter.UInt32BitsToSingle((uint)((ushort*)start)[index] << 16);
            }

            return values;
        }
    }
}
