using Offload.Storage.Devices;

namespace Offload.Storage.Tests.Devices;

public sealed class ThrottledDeviceTests
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData(1.0, 3.7, 1)]
    [InlineData(5.0, 0.5, 8)]
    [InlineData(2.5, 2.5, 2)]
    public void Measure_VirtualClock_IsTheRate(double readGBps, double writeGBps, int depth)
    {
        var clock = new VirtualClock();
        using var device = new ThrottledDevice(new MemoryDevice(4 * MiB), new ThrottleOptions(readGBps, writeGBps), clock);

        DeviceSpeed speed = DeviceSpeed.Measure(device, 0, 4 * MiB, 64 << 10, depth, clock);

        Assert.InRange(speed.ReadGBps / readGBps, 0.999, 1.001);
        Assert.InRange(speed.WriteGBps / writeGBps, 0.999, 1.001);
        Assert.Equal(new DeviceTraffic(4 * MiB, 4 * MiB, 1), device.Traffic);
    }

    [Fact]
    public void Measure_SmallestRequestsOnVirtualClock_FractionsOfNanosecondsAreNotLost()
    {
        var clock = new VirtualClock();
        using var device = new ThrottledDevice(new MemoryDevice(MiB), new ThrottleOptions(7, 7), clock);

        Assert.InRange(DeviceSpeed.Measure(device, 0, MiB, 512, 4, clock).ReadGBps, 6.999, 7.001);
    }

    [Fact]
    public void Measure_LatencyOnVirtualClock_CountsPerRequestAtDepthOneAndHidesAtDepthEight()
    {
        // 64 KiB at 1 GB/s are 65.5 us; with 100 us of latency a lone request takes 165.5.
        Assert.InRange(MeasureRead(depth: 1), 0.98 * 65.536 / 165.536, 1.02 * 65.536 / 165.536);
        Assert.InRange(MeasureRead(depth: 8), 0.98, 1.001);

        static double MeasureRead(int depth)
        {
            var clock = new VirtualClock();
            using var device = new ThrottledDevice(new MemoryDevice(16 * MiB), new ThrottleOptions(1, 1, TimeSpan.FromMicroseconds(100)), clock);
            return DeviceSpeed.Measure(device, 0, 16 * MiB, 64 << 10, depth, clock).ReadGBps;
        }
    }

    [Theory]
    [InlineData(true, 3000)]
    [InlineData(false, 2000)]
    public void Submit_ReadsAndWrites_ShareTheBudgetOrNot(bool sharesBudget, int expectedMicroseconds)
    {
        var clock = new VirtualClock();
        using var device = new ThrottledDevice(new MemoryDevice(2_048_000, alignmentBytes: 512), new ThrottleOptions(1.024, 0.512, SharesBudget: sharesBudget), clock);
        using var read = new ProbeRequest(1_024_000);
        using var write = new ProbeRequest(1_024_000);
        read.Start(device, BlockOperation.Read, 0);
        write.Start(device, BlockOperation.Write, 0);
        clock.RunUntil(() => read.NumCompletions + write.NumCompletions == 2);

        Assert.Equal(expectedMicroseconds, clock.Elapsed.TotalMicroseconds, 1.0);
    }

    [Fact]
    public void Submit_SeveralWait_UrgentFirstThenInOrder()
    {
        var clock = new VirtualClock();
        using var device = new ThrottledDevice(new MemoryDevice(4096), new ThrottleOptions(1, 1), clock);
        List<int> order = [];
        IoPriority[] priorities = [IoPriority.Background, IoPriority.Normal, IoPriority.Background, IoPriority.Urgent, IoPriority.Normal, IoPriority.Urgent];
        ProbeRequest[] requests = [.. priorities.Select((_, index) => new ProbeRequest(512) { AtCompletion = () => order.Add(index) })];
        for (int index = 0; index < requests.Length; index++)
        {
            requests[index].Start(device, BlockOperation.Read, 0, priorities[index]);
        }

        clock.RunUntil(() => order.Count == requests.Length);

        Assert.Equal([3, 5, 1, 4, 0, 2], order);
        Array.ForEach(requests, request => request.Dispose());
    }

    [Fact]
    public void Submit_InCompletion_GoesOnFromThatMoment()
    {
        var clock = new VirtualClock();
        using var device = new ThrottledDevice(new MemoryDevice(4096), new ThrottleOptions(0.512, 0.512), clock);
        using var request = new ProbeRequest(512);
        request.AtCompletion = () =>
        {
            if (request.NumCompletions < 10)
            {
                request.Start(device, BlockOperation.Read, 0);
            }
        };
        request.Start(device, BlockOperation.Read, 0);
        clock.RunUntil(() => request.NumCompletions == 10);

        Assert.Equal(10_000, clock.GetTimestamp());
    }

    [Fact]
    public void Submit_Cancelled_CompletesSoAndTakesNoTime()
    {
        var clock = new VirtualClock();
        using var device = new ThrottledDevice(new MemoryDevice(4096), new ThrottleOptions(1, 1), clock);
        using var cancelled = new ProbeRequest(4096) { MustCancel = true };
        using var request = new ProbeRequest(512);
        cancelled.Start(device, BlockOperation.Write, 0);
        request.Start(device, BlockOperation.Write, 0);
        clock.RunUntil(() => request.NumCompletions == 1);

        Assert.IsType<OperationCanceledException>(cancelled.Error);
        Assert.Equal(512, clock.GetTimestamp());
    }

    [Fact]
    public void Submit_InnerFails_ReportsItsErrorWhenDue()
    {
        var clock = new VirtualClock();
        var faulty = new FaultInjectingDevice(new MemoryDevice(4096), new FaultPlan().At(0, Fault.Error(5)));
        using var device = new ThrottledDevice(faulty, new ThrottleOptions(1, 1), clock);
        using ProbeRequest request = new ProbeRequest(512).Start(device, BlockOperation.Read, 0);
        Assert.Equal(0, request.NumCompletions);
        clock.RunUntil(() => request.NumCompletions == 1);

        Assert.IsType<StorageException>(request.Error);
        Assert.Equal(512, clock.GetTimestamp());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Dispose_InFlight_WaitsForIt(bool isVirtual)
    {
        VirtualClock? clock = isVirtual ? new VirtualClock() : null;
        var device = new ThrottledDevice(new MemoryDevice(MiB), new ThrottleOptions(0.1, 0.1), clock);
        using ProbeRequest first = new ProbeRequest(MiB).Start(device, BlockOperation.Write, 0);
        using ProbeRequest second = new ProbeRequest(MiB).Start(device, BlockOperation.Read, 0);
        device.Dispose();

        Assert.Equal((1, 1), (first.NumCompletions, second.NumCompletions));
        Assert.Throws<ObjectDisposedException>(() => device.Submit(first));
    }

    [Fact]
    public void Submit_SteadyState_AllocatesNothing()
    {
        var clock = new VirtualClock();
        using var device = new ThrottledDevice(new MemoryDevice(MiB), new ThrottleOptions(1, 1), clock);
        using var transfer = new SequentialTransfer(device, 4096, 8, clock);
        transfer.Run(BlockOperation.Write, 0, 256);
        transfer.Run(BlockOperation.Read, 0, 256);
        long before = GC.GetAllocatedBytesForCurrentThread();
        transfer.Run(BlockOperation.Write, 0, 256);
        transfer.Run(BlockOperation.Read, 0, 256);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
