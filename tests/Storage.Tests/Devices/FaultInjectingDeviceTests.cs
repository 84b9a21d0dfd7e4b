using System.Diagnostics;
using Offload.Storage.Devices;

namespace Offload.Storage.Tests.Devices;

public sealed class FaultInjectingDeviceTests
{
    private const int Eio = 5;
    private const int SizeBytes = 4096;

    [Fact]
    public void Submit_NoFault_PassesOnAndCounts()
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes, path: "disk"), new FaultPlan());
        using ProbeRequest write = new ProbeRequest(512).Fill(7).Start(device, BlockOperation.Write, 1024);
        using ProbeRequest read = new ProbeRequest(512).Start(device, BlockOperation.Read, 1024);
        device.Flush();

        Assert.Equal(7, read.Bytes[511]);
        Assert.Equal((3, 1, 1, 1, 0), (device.NumOperations, device.NumReads, device.NumWrites, device.NumFlushes, device.NumFaults));
        Assert.Equal(new DeviceTraffic(512, 512, 1), device.Traffic);
        Assert.Equal("disk", device.Path);
    }

    [Theory]
    [InlineData(BlockOperation.Read, 5, "disk: cannot read 512 bytes at offset 1024: EIO (5): ")]
    [InlineData(BlockOperation.Write, 28, "disk: cannot write 512 bytes at offset 1024: ENOSPC (28): ")]
    public void Submit_Error_NamesPathOffsetAndErrnoAndTransfersNothing(BlockOperation operation, int errno, string message)
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes, path: "disk"), new FaultPlan().At(0, Fault.Error(errno)));
        using ProbeRequest request = new ProbeRequest(512).Fill(1).Start(device, operation, 1024);

        var error = Assert.IsType<StorageException>(request.Error);
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(default, device.Traffic);
        Assert.Equal(1, device.NumFaults);
    }

    [Fact]
    public void At_EveryIndexInTurn_HitsExactlyThatOperation()
    {
        for (int failing = 0; failing < 6; failing++)
        {
            using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().At(failing, Fault.Error(Eio)));
            List<int> failed = [];
            for (int index = 0; index < 6; index++)
            {
                if (Fails(device, index % 3))
                {
                    failed.Add(index);
                }
            }

            Assert.Equal([failing], failed);
        }
    }

    [Fact]
    public void At_CountAndTarget_HitsThoseInARow()
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().At(1, Fault.Error(Eio), FaultTarget.Write, long.MaxValue));

        Assert.Equal([false, false, false, false, true, false, false, true, false], Enumerable.Range(0, 9).Select(index => Fails(device, index % 3)));
    }

    [Fact]
    public void Flush_Fault_FailsAndDoesNotFlush()
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes, path: "disk"), new FaultPlan().At(0, Fault.Error(Eio), FaultTarget.Flush));

        var error = Assert.Throws<StorageException>(device.Flush);
        Assert.StartsWith("disk: cannot flush: EIO (5)", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, device.Traffic.Flushes);
        device.Flush();
        Assert.Equal(1, device.Traffic.Flushes);
    }

    [Theory]
    [InlineData(1000, 512)]
    [InlineData(100, 0)]
    [InlineData(9999, 1536)]
    public void Submit_ShortWrite_WritesTheFirstBytesAndSaysSo(int asked, int expected)
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes, path: "disk"), new FaultPlan().At(0, Fault.ShortTransfer(asked)));
        using ProbeRequest write = new ProbeRequest(2048).Fill(9).Start(device, BlockOperation.Write, 512);
        using ProbeRequest read = new ProbeRequest(SizeBytes).Start(device, BlockOperation.Read, 0);

        var error = Assert.IsType<StorageException>(write.Error);
        Assert.Equal($"disk: cannot write 2048 bytes at offset 512: {expected} of 2048 bytes were transferred", error.Message);
        byte[] contents = new byte[SizeBytes];
        contents.AsSpan(512, expected).Fill(9);
        Assert.Equal(contents, read.Bytes.ToArray());
    }

    [Fact]
    public void Submit_FlippedBitInRead_IsWrongInMemoryOnly()
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().At(0, Fault.FlippedBit((512 * 8) + 13)));
        using ProbeRequest wrong = new ProbeRequest(512).Start(device, BlockOperation.Read, 0);
        using ProbeRequest right = new ProbeRequest(512).Start(device, BlockOperation.Read, 0);

        Assert.Null(wrong.Error);
        Assert.Equal(1 << 5, wrong.Bytes[1]);
        Assert.Equal(1, wrong.Bytes.ToArray().Count(value => value != 0));
        Assert.Equal(new byte[512], right.Bytes.ToArray());
    }

    [Fact]
    public void Submit_FlippedBitInWrite_IsWrongOnTheDeviceOnly()
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().At(0, Fault.FlippedBit(8 * 511)));
        using ProbeRequest write = new ProbeRequest(512).Fill(0x10).Start(device, BlockOperation.Write, 0);
        using ProbeRequest read = new ProbeRequest(512).Start(device, BlockOperation.Read, 0);

        Assert.Null(write.Error);
        Assert.Equal(0x10, write.Bytes[511]);
        Assert.Equal(0x11, read.Bytes[511]);
        Assert.Equal(0x10, read.Bytes[510]);
    }

    [Fact]
    public void Submit_Delays_CompleteLateOnOneThreadInOrderOfTheirDue()
    {
        FaultPlan plan = new FaultPlan().At(0, Fault.Delay(TimeSpan.FromMilliseconds(60))).At(1, Fault.Delay(TimeSpan.FromMilliseconds(20)));
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), plan);
        long start = Stopwatch.GetTimestamp();
        List<int> order = [];
        using var later = new ProbeRequest(512);
        using var sooner = new ProbeRequest(512);
        later.AtCompletion = () => order.Add(0);
        sooner.AtCompletion = () => order.Add(1);
        later.Start(device, BlockOperation.Read, 0);
        sooner.Start(device, BlockOperation.Read, 0);

        Assert.Equal(0, later.NumCompletions);
        Assert.Null(later.Wait().Error);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 59.9, 5000);
        Assert.Equal([1, 0], order);
        Assert.Equal(("offload-late", "offload-late"), (later.CompletionThread, sooner.CompletionThread));
    }

    [Fact]
    public void Dispose_WhileDelayed_WaitsForIt()
    {
        using var request = new ProbeRequest(512);
        var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().At(0, Fault.Delay(TimeSpan.FromMilliseconds(30))));
        request.Start(device, BlockOperation.Write, 0);
        device.Dispose();

        Assert.Equal(1, request.NumCompletions);
        Assert.Throws<ObjectDisposedException>(() => device.Submit(request));
    }

    [Fact]
    public void FullAfter_WriteBeyond_FailsAndSoDoAllLaterOnes()
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().FullAfter(1100));
        using ProbeRequest small = new ProbeRequest(512).Start(device, BlockOperation.Write, 0);
        using ProbeRequest large = new ProbeRequest(1024).Start(device, BlockOperation.Write, 512);
        using ProbeRequest after = new ProbeRequest(512).Start(device, BlockOperation.Write, 0);
        using ProbeRequest read = new ProbeRequest(512).Start(device, BlockOperation.Read, 0);

        Assert.Null(small.Error);
        Assert.Contains("ENOSPC (28)", large.Error!.Message, StringComparison.Ordinal);
        Assert.Contains("ENOSPC (28)", after.Error!.Message, StringComparison.Ordinal);
        Assert.Null(read.Error);
    }

    [Fact]
    public void AtRandom_SameSeed_HitsTheSameAtAboutTheRate()
    {
        bool[] first = Hits(seed: 3);
        Assert.Equal(first, Hits(seed: 3));
        Assert.NotEqual(first, Hits(seed: 4));
        Assert.InRange(first.Count(hit => hit), 400, 600);
    }

    [Fact]
    public void Submit_Cancelled_CompletesAsCancelledWhateverThePlan()
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().At(0, Fault.Error(Eio)));
        using var request = new ProbeRequest(512) { MustCancel = true };
        request.Start(device, BlockOperation.Read, 0);

        Assert.IsType<OperationCanceledException>(request.Error);
    }

    [Fact]
    public void Submit_NotHit_AllocatesNothing()
    {
        FaultPlan plan = new FaultPlan().At(1_000_000, Fault.Error(Eio)).AtRandom(1, 0, Fault.FlippedBit(0)).FullAfter(long.MaxValue);
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), plan);
        using var transfer = new SequentialTransfer(device, 512, 2, clock: null);
        transfer.Run(BlockOperation.Write, 0, 8);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 100; round++)
        {
            transfer.Run(BlockOperation.Write, 0, 8);
            transfer.Run(BlockOperation.Read, 0, 8);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static bool[] Hits(int seed)
    {
        using var device = new FaultInjectingDevice(new MemoryDevice(SizeBytes), new FaultPlan().AtRandom(seed, 0.05, Fault.Error(Eio)));
        return [.. Enumerable.Range(0, 10_000).Select(_ => Fails(device, 0))];
    }

    private static bool Fails(FaultInjectingDevice device, int kind)
    {
        if (kind == 2)
        {
            return Record.Exception(device.Flush) is not null;
        }

        using ProbeRequest request = new ProbeRequest(512).Start(device, kind == 0 ? BlockOperation.Read : BlockOperation.Write, 0);
        return request.Error is not null;
    }
}
