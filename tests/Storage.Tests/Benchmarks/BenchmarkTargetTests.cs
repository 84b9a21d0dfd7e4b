using Offload.Storage.Benchmarks;
using Offload.Storage.Devices;
using Offload.Storage.States;

namespace Offload.Storage.Tests.Benchmarks;

public class BenchmarkTargetTests
{
    private const int BlockBytes = 4096;
    private const int Eio = 5;
    private const long StoreDeviceBytes = 8 << 20;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(BenchmarkPattern.Read, 40, 0)]
    [InlineData(BenchmarkPattern.Write, 0, 40)]
    public void Run_OneDirectionOverADevice_MovesThePassOnce(BenchmarkPattern pattern, int readBlocks, int writtenBlocks)
    {
        using var target = new DeviceTarget(new MemoryDevice(80 * BlockBytes), 40 * BlockBytes, BlockBytes, depth: 3);

        BenchmarkPass pass = target.Run(pattern, Cancellation);

        Assert.Equal((readBlocks * BlockBytes, writtenBlocks * BlockBytes), (pass.BytesRead, pass.BytesWritten));
        Assert.True(pass.Seconds > 0);
    }

    [Fact]
    public void Run_WriteOverADevice_FlushesAndCoversTheRange()
    {
        var device = new MemoryDevice(80 * BlockBytes);
        using var target = new DeviceTarget(device, (40 * BlockBytes) - 512, BlockBytes, depth: 7);

        target.Run(BenchmarkPattern.Write, Cancellation);

        Assert.Equal(1, device.Traffic.Flushes);
        ReadOnlySpan<byte> contents = device.Contents.AsSpan<byte>(0, 80 * BlockBytes);
        for (int sector = 0; sector < 80 * BlockBytes / 512; sector++)
        {
            Assert.Equal(sector < (40 * 8) - 1, contents.Slice(sector * 512, 512).ContainsAnyExcept((byte)0));
        }
    }

    [Fact]
    public void Run_MixedOverADevice_MovesSomethingEachWay()
    {
        using var target = new DeviceTarget(new MemoryDevice(80 * BlockBytes), 40 * BlockBytes, BlockBytes, depth: 3);

        BenchmarkPass pass = target.Run(BenchmarkPattern.Mixed, Cancellation);

        Assert.InRange(pass.BytesRead, BlockBytes, 40 * BlockBytes);
        Assert.InRange(pass.BytesWritten, BlockBytes, 40 * BlockBytes);
    }

    [Theory]
    [InlineData(BenchmarkPattern.Read)]
    [InlineData(BenchmarkPattern.Write)]
    [InlineData(BenchmarkPattern.Mixed)]
    public void Run_DeviceThatFails_ThrowsItsError(BenchmarkPattern pattern)
    {
        using var target = new DeviceTarget(
            new FaultInjectingDevice(new MemoryDevice(80 * BlockBytes), new FaultPlan().At(9, Fault.Error(Eio))), 40 * BlockBytes, BlockBytes, depth: 3);

        Assert.Contains("EIO", Assert.Throws<StorageException>(() => target.Run(pattern, Cancellation)).Message);
    }

    [Fact]
    public void Run_LongerPassOverADevice_AllocatesNoMore()
    {
        long Allocated(int numBlocks)
        {
            // Of a device in memory all completions come on this thread.
            using var target = new DeviceTarget(new MemoryDevice(2L * numBlocks * BlockBytes), (long)numBlocks * BlockBytes, BlockBytes, depth: 3);
            target.Run(BenchmarkPattern.Read, Cancellation);
            long before = GC.GetAllocatedBytesForCurrentThread();
            target.Run(BenchmarkPattern.Read, Cancellation);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(Allocated(10), Allocated(1000));
    }

    [Fact]
    public void Describe_AnySize_FitsTheDeviceAndUsesMostOfIt()
    {
        foreach (long sizeBytes in (long[])[StoreDeviceBytes, (8 << 20) + 4096, 100 << 20, 4L << 30, 1L << 40])
        {
            StoreGeometry geometry = StoreGeometry.Of(StoreTarget.Describe(sizeBytes));

            Assert.InRange(geometry.SizeBytes, sizeBytes * 3 / 4, sizeBytes);
            Assert.InRange(geometry.NumTiles, 6, int.MaxValue);
        }
    }

    [Fact]
    public void Run_EveryPatternOverAStore_MovesItsTiles()
    {
        StoreDescription description = StoreTarget.Describe(StoreDeviceBytes);
        long stateBytes = StoreGeometry.Of(description).StateBytes;
        using var target = new StoreTarget(StateStore.Create(new MemoryDevice(StoreDeviceBytes), description));

        BenchmarkPass write = target.Run(BenchmarkPattern.Write, Cancellation);
        BenchmarkPass read = target.Run(BenchmarkPattern.Read, Cancellation);
        BenchmarkPass[] mixed = [target.Run(BenchmarkPattern.Mixed, Cancellation), target.Run(BenchmarkPattern.Mixed, Cancellation)];

        Assert.InRange(write.BytesWritten, stateBytes, stateBytes + (1 << 20));
        Assert.Equal((stateBytes, 0), (read.BytesRead, read.BytesWritten));
        Assert.All(mixed, pass =>
        {
            Assert.InRange(pass.BytesRead, 1, stateBytes / 2 + (1 << 20));
            Assert.InRange(pass.BytesWritten, 1, stateBytes / 2 + (1 << 20));
        });
    }

    [Theory]
    [InlineData(FaultTarget.Read)]
    [InlineData(FaultTarget.Write)]
    public void Run_MixedOverAStoreWhoseDeviceFails_ThrowsItsError(FaultTarget target)
    {
        var device = new SwitchedFaults(new MemoryDevice(StoreDeviceBytes));
        using var store = new StoreTarget(StateStore.Create(device, StoreTarget.Describe(StoreDeviceBytes)));
        store.Run(BenchmarkPattern.Write, Cancellation);
        device.Failing = target == FaultTarget.Read ? BlockOperation.Read : BlockOperation.Write;

        Assert.Throws<StorageException>(() => store.Run(BenchmarkPattern.Mixed, Cancellation));
    }

    [Theory]
    [InlineData(BenchmarkPattern.Write)]
    [InlineData(BenchmarkPattern.Read)]
    [InlineData(BenchmarkPattern.Mixed)]
    public void Run_Cancelled_Throws(BenchmarkPattern pattern)
    {
        using var target = new StoreTarget(StateStore.Create(new MemoryDevice(StoreDeviceBytes), StoreTarget.Describe(StoreDeviceBytes)));
        target.Run(BenchmarkPattern.Write, Cancellation);

        Assert.Throws<OperationCanceledException>(() => target.Run(pattern, new CancellationToken(canceled: true)));
    }

    /// <summary>A device of which one direction begins to fail when a test says so.</summary>
    private sealed class SwitchedFaults(MemoryDevice inner) : IBlockDevice
    {
        public BlockOperation? Failing { get; set; }

        public string Path => inner.Path;

        public long SizeBytes => inner.SizeBytes;

        public int AlignmentBytes => inner.AlignmentBytes;

        public DeviceTraffic Traffic => inner.Traffic;

        public void Submit(BlockRequest request)
        {
            if (request.Operation == Failing)
            {
                request.Complete(new StorageException(Path, "transfer", "it is broken"));
                return;
            }

            inner.Submit(request);
        }

        public void Flush() => inner.Flush();

        public void Dispose() => inner.Dispose();
    }
}
