using System.Diagnostics;
using Offload.Engine.Cuda;
using Offload.Engine.Interop;
using Offload.Storage.Memory;

namespace Offload.Engine.Tests.Cuda;

/// <summary>What needs a GPU; GEMM has tests of its own.</summary>
[Collection(nameof(ProcessWide))]
public sealed unsafe class CudaDeviceTests : IDisposable
{
    private const string Source =
        """
        extern "C" __global__ void scale(float* values, float factor, long long count)
        {
            long long index = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            if (index < count) { values[index] *= factor; }
        }

        extern "C" __global__ void spin(long long cycles)
        {
            long long start = clock64();
            while (clock64() - start < cycles) { }
        }
        """;

    private readonly CudaDevice _device = CudaTestDevice.OpenOrSkip();

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Open_Gpu_TellsWhatItIs()
    {
        (long freeBytes, long totalBytes) = _device.Memory();

        Assert.NotEmpty(_device.Name);
        Assert.InRange(_device.CapabilityMajor, 5, 20);
        Assert.InRange(_device.NumMultiprocessors, 1, 1000);
        Assert.InRange(freeBytes, 1, totalBytes);
        _device.Synchronize();
    }

    [Fact]
    public void Open_NoSuchGpu_SaysHowManyThereAre()
    {
        var error = Assert.Throws<CudaException>(() => CudaDevice.Open(1000));

        Assert.Contains("GPU 1000", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
    }

    [Fact]
    public void MakeCurrent_Disposed_Throws()
    {
        CudaDevice second = CudaDevice.Open(0);
        second.Dispose();
        second.Dispose();

        Assert.Throws<ObjectDisposedException>(second.MakeCurrent);
        _device.Synchronize();
    }

    [Fact]
    public void DeviceMemory_AllocateAndFree_IsCountedAndReserved()
    {
        const long sizeBytes = 64L << 20;
        var limit = new MemoryLimit(sizeBytes, "GPU memory");
        long before = DeviceMemory.OutstandingBytes;
        var memory = new DeviceMemory(_device, sizeBytes, "test", limit);

        Assert.Equal((before + sizeBytes, sizeBytes), (DeviceMemory.OutstandingBytes, limit.ReservedBytes));
        Assert.Equal(0, (nint)memory.Address % 256);
        Assert.Throws<MemoryLimitException>(() => new DeviceMemory(_device, 1, "more", limit));

        memory.Dispose();
        memory.Dispose();
        Assert.Equal((before, 0), (DeviceMemory.OutstandingBytes, limit.ReservedBytes));
        Assert.Throws<ObjectDisposedException>(() => (nint)memory.Address);
        using var nothing = new DeviceMemory(_device, 0, "nothing", null);
    }

    [Fact]
    public void DeviceMemory_MoreThanTheGpuHas_TellsWhatIsFreeAndHoldsNothing()
    {
        (_, long totalBytes) = _device.Memory();
        var limit = new MemoryLimit(long.MaxValue, "GPU memory");
        long before = DeviceMemory.OutstandingBytes;

        var error = Assert.Throws<MemoryLimitException>(() => new DeviceMemory(_device, 2 * totalBytes, "far too much", limit));

        Assert.Contains("far too much", error.Message, StringComparison.Ordinal);
        Assert.Contains("free", error.Message, StringComparison.Ordinal);
        Assert.Equal((before, 0), (DeviceMemory.OutstandingBytes, limit.ReservedBytes));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Copy_ThereAndBack_KeepsEveryByte(bool isDefault)
    {
        const int sizeBytes = (3 << 20) + 5;
        using CudaStream stream = isDefault ? CudaStream.Default(_device) : new CudaStream(_device);
        using var host = new NativeBuffer(2L * sizeBytes);
        using var pinned = new PinnedMemory(_device, (byte*)host.Address, host.SizeBytes);
        using var onDevice = new DeviceMemory(_device, 2 * sizeBytes, "test", null);
        Span<byte> source = host.AsSpan<byte>(0, sizeBytes);
        Span<byte> result = host.AsSpan<byte>(sizeBytes, sizeBytes);
        new Random(1).NextBytes(source);

        stream.Copy(onDevice.Address, pinned.Address, sizeBytes);
        stream.Copy(onDevice.Address + sizeBytes, onDevice.Address, sizeBytes);
        stream.Clear(onDevice.Address + sizeBytes, 7);
        stream.Copy(pinned.Address + sizeBytes, onDevice.Address + sizeBytes, sizeBytes);
        stream.Copy(pinned.Address, pinned.Address, 0);
        stream.Synchronize();

        Assert.True(result[..7].IndexOfAnyExcept((byte)0) < 0);
        Assert.True(result[7..].SequenceEqual(source[7..]));
    }

    /// <summary>The driver refuses a copy over the end of a registered range; pieces of pinned memory have ends inside.</summary>
    [Fact]
    public void Copy_OverTheEndOfAPiece_KeepsEveryByte()
    {
        const int halfBytes = 1 << 20;
        using var host = new NativeBuffer(PinnedMemory.PieceBytes + (2L * halfBytes));
        using var pinned = new PinnedMemory(_device, (byte*)host.Address, host.SizeBytes);
        using var stream = new CudaStream(_device);
        using var onDevice = new DeviceMemory(_device, 2 * halfBytes, "test", null);
        byte* seam = pinned.Address + PinnedMemory.ToPieceEnd(pinned.Address);
        Assert.InRange((nint)seam, (nint)pinned.Address + 1, (nint)pinned.Address + (nint)pinned.SizeBytes);
        byte* start = (byte*)Math.Clamp((nint)seam - halfBytes, (nint)pinned.Address, (nint)pinned.Address + (nint)pinned.SizeBytes - (2 * halfBytes));
        var bytes = new Span<byte>(start, 2 * halfBytes);
        new Random(2).NextBytes(bytes);
        byte[] expected = bytes.ToArray();

        stream.Copy(onDevice.Address, start, bytes.Length);
        stream.Synchronize();
        bytes.Clear();
        stream.Copy(start, onDevice.Address, bytes.Length);
        stream.Synchronize();

        Assert.True(bytes.SequenceEqual(expected));
    }

    [Fact]
    public void PinnedMemory_RegisteredTwice_IsRefusedAndTheFirstStays()
    {
        using var host = new NativeBuffer(1 << 20);
        using var first = new PinnedMemory(_device, (byte*)host.Address, host.SizeBytes);

        var error = Assert.Throws<CudaException>(() => new PinnedMemory(_device, first.Address, first.SizeBytes));

        Assert.Contains("pin", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
        first.Dispose();
        first.Dispose();
        using var again = new PinnedMemory(_device, (byte*)host.Address, host.SizeBytes);
    }

    [Fact]
    public void PinnedMemory_UnalignedOrEmpty_IsRefusedOrNothing()
    {
        using var host = new NativeBuffer(2 * NativeBuffer.AlignmentBytes);

        Assert.Throws<ArgumentException>(() => new PinnedMemory(_device, (byte*)host.Address + 8, 8));
        new PinnedMemory(_device, (byte*)host.Address, 0).Dispose();
    }

    [Fact]
    public void Launch_KernelOverPinnedMemory_ComputesAndAllocatesNothing()
    {
        const int numValues = 100_001;
        using var host = new NativeBuffer(numValues * sizeof(float));
        using var pinned = new PinnedMemory(_device, (byte*)host.Address, host.SizeBytes);
        using var stream = new CudaStream(_device);
        using var done = new CudaEvent(_device);
        using var module = new CudaModule(_device, KernelCompiler.Compile(Source, "test.cu", _device));
        CudaFunction scale = module.Get("scale");
        Span<float> values = host.AsSpan<float>(0, numValues);
        values.Fill(3);
        Launch(2);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 100; round++)
        {
            Launch(1);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        done.Wait();
        Assert.True(done.IsDone());
        Assert.True(values.IndexOfAnyExcept(6f) < 0);
        Assert.Throws<CudaException>(() => module.Get("absent"));

        void Launch(float factor)
        {
            byte* address = pinned.Address;
            long count = numValues;
            scale.Launch(stream, (count + 255) / 256, 1, 1, 256, 0, [(nint)(&address), (nint)(&factor), (nint)(&count)]);
            done.Record(stream);
        }
    }

    [Fact]
    public void Compile_WrongSource_TellsTheLine()
    {
        var error = Assert.Throws<CudaException>(() => KernelCompiler.Compile("extern \"C\" __global__ void wrong() {\n undefined_name = 1; }", "wrong.cu", _device));

        Assert.Contains("wrong.cu", error.Message, StringComparison.Ordinal);
        Assert.Contains("undefined_name", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Compile_Options_ReachTheCompiler()
    {
        const string source = "#ifndef WIDTH\n#error no width\n#endif\nextern \"C\" __global__ void fill(int* x) { *x = WIDTH; }";

        Assert.NotEmpty(KernelCompiler.Compile(source, "options.cu", _device, "-DWIDTH=3"));
        Assert.Throws<CudaException>(() => KernelCompiler.Compile(source, "options.cu", _device));
    }

    [Fact]
    public void WaitFor_EventOfAnotherStream_OrdersThem()
    {
        using var first = new CudaStream(_device);
        using var second = new CudaStream(_device);
        using var start = new CudaEvent(_device);
        using var middle = new CudaEvent(_device);
        using var end = new CudaEvent(_device);
        using var module = new CudaModule(_device, KernelCompiler.Compile(Source, "test.cu", _device));
        long cycles = 50_000_000; // 25 to 50 ms
        var clock = Stopwatch.StartNew();

        start.Record(first);
        module.Get("spin").Launch(first, 1, 1, 1, 1, 0, [(nint)(&cycles)]);
        middle.Record(first);
        second.WaitFor(middle);
        end.Record(second);
        bool wasDone = end.IsDone();
        end.Wait();

        Assert.False(wasDone);
        Assert.InRange(middle.SecondsSince(start), 0.005, clock.Elapsed.TotalSeconds);
        Assert.InRange(end.SecondsSince(start), middle.SecondsSince(start) - 1e-5, clock.Elapsed.TotalSeconds);
    }

    [Fact]
    public void SecondsSince_NeverRecorded_IsAnError()
    {
        using var first = new CudaEvent(_device);
        using var second = new CudaEvent(_device);

        Assert.Throws<CudaException>(() => second.SecondsSince(first));
    }

    [Fact]
    public void MakeCurrent_OnAThreadOfItsOwn_LetsItWork()
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            failure = Record.Exception(() =>
            {
                _device.MakeCurrent();
                using var stream = new CudaStream(_device);
                using var memory = new DeviceMemory(_device, 4096, "test", null);
                stream.Clear(memory.Address, memory.SizeBytes);
                stream.Synchronize();
            });
        });
        thread.Start();
        thread.Join();

        Assert.Null(failure);
    }

    /// <summary>Both are in the primary context: a tensor's memory is ours to read on the default stream.</summary>
    [Fact]
    public void Open_WithLibtorchsCuda_SharesItsMemoryAndStream()
    {
        LoadedTorch torch = TorchRuntime.Current;
        Assert.SkipWhen(torch.TorchCuda == 0, "this libtorch has no CUDA");
        TorchRuntime.Load(torch.Choice, TorchSharp.DeviceType.CUDA);
        using TorchSharp.torch.Tensor tensor = TorchSharp.torch.arange(1000, dtype: TorchSharp.torch.float32, device: TorchSharp.torch.CUDA);
        using TorchSharp.torch.Tensor doubled = tensor + tensor;
        using CudaStream stream = CudaStream.Default(_device);
        using var host = new NativeBuffer(1000 * sizeof(float));
        using var pinned = new PinnedMemory(_device, (byte*)host.Address, host.SizeBytes);
        Assert.Equal(0, StableAbi.aoti_torch_get_data_ptr(doubled.Handle, out nint data));

        stream.Copy(pinned.Address, (void*)data, pinned.SizeBytes);
        stream.Synchronize();

        Assert.Equal(Enumerable.Range(0, 1000).Select(value => 2f * value), host.AsSpan<float>(0, 1000).ToArray());
    }
}
