using FsCheck.Xunit;
using Offload.Storage.Devices;
using Offload.Storage.Tests.States;

namespace Offload.Storage.Tests.Devices;

public sealed class StripedDeviceTests
{
    private const int MiB = 1 << 20;

    [Property(MaxTest = 100)]
    public void Submit_RandomRequests_AreAsOnAFlatDevice(int seed)
    {
        var random = new Random(seed);
        using StripedDevice device = RandomDevice(random);
        byte[] shadow = new byte[device.SizeBytes];
        for (int step = 0; step < 40; step++)
        {
            int numBlocks = (int)(device.SizeBytes / 512);
            int first = random.Next(numBlocks);
            int count = random.Next(1, Math.Min(numBlocks - first, 40) + 1);
            Span<byte> expected = shadow.AsSpan(first * 512, count * 512);
            using var request = new ProbeRequest(count * 512);
            bool isWrite = random.Next(2) == 0;
            if (isWrite)
            {
                random.NextBytes(request.Bytes);
                request.Bytes.CopyTo(expected);
            }

            request.Start(device, isWrite ? BlockOperation.Write : BlockOperation.Read, first * 512L).Wait();
            Assert.Null(request.Error);
            Assert.Equal(1, request.NumCompletions);
            Assert.True(expected.SequenceEqual(request.Bytes), $"step {step}");
        }
    }

    [Property(MaxTest = 100)]
    public void Locate_EveryByte_HasAPlaceOfItsOwn(int seed)
    {
        var random = new Random(seed);
        int numMembers = random.Next(1, 5);
        int[] widths = [.. Enumerable.Range(0, numMembers).Select(_ => random.Next(1, 9))];
        long[] sizes = [.. widths.Select(width => (long)random.Next(width, 100))];
        var layout = new StripeLayout(widths, sizes);
        var places = new HashSet<(int, long)>();
        long runEnd = 0;
        for (long offset = 0; offset < layout.SizeBytes; offset++)
        {
            long runBytes = layout.Locate(offset, out int member, out long memberOffset);
            Assert.InRange(memberOffset, 0, sizes[member] - 1);
            Assert.True(places.Add((member, memberOffset)));
            Assert.InRange(runBytes, 1, widths[member]);
            runEnd = offset == runEnd ? offset + runBytes : runEnd;
            Assert.Equal(runEnd, offset + runBytes);
        }

        // As many rounds as fit: one more would not.
        long numRounds = layout.SizeBytes / widths.Sum();
        Assert.Equal(layout.SizeBytes, numRounds * widths.Sum());
        Assert.Contains(widths.Zip(sizes), pair => pair.First * (numRounds + 1) > pair.Second);
    }

    [Fact]
    public void Submit_WholeRange_IsSequentialOnEveryMember()
    {
        MemoryDevice[] members = [new MemoryDevice(2048), new MemoryDevice(4096)];
        using var device = new StripedDevice(members, [512, 1024]);
        using var request = new ProbeRequest((int)device.SizeBytes);
        for (int index = 0; index < request.Bytes.Length; index++)
        {
            request.Bytes[index] = (byte)(index / 512);
        }

        request.Start(device, BlockOperation.Write, 0);

        Assert.Equal(6144, device.SizeBytes);
        Assert.Equal([0, 3, 6, 9], Sectors(members[0]));
        Assert.Equal([1, 2, 4, 5, 7, 8, 10, 11], Sectors(members[1]));
        Assert.Equal(new DeviceTraffic(0, 6144, 0), device.Traffic);
        device.Flush();
        Assert.Equal(2, device.Traffic.Flushes);
    }

    [Fact]
    public void Submit_PartsFail_FirstErrorAfterTheLastPartIsDone()
    {
        var clock = new VirtualClock();
        IBlockDevice failing = new FaultInjectingDevice(new MemoryDevice(4096, path: "bad"), new FaultPlan().At(0, Fault.Error(5), count: 3));
        var slow = new ThrottledDevice(new MemoryDevice(4096, path: "slow"), new ThrottleOptions(0.001, 0.001), clock);
        using var device = new StripedDevice([failing, slow], [512, 512]);
        using ProbeRequest request = new ProbeRequest(2048).Start(device, BlockOperation.Read, 0);

        Assert.Equal(0, request.NumCompletions);
        clock.RunUntil(() => request.NumCompletions == 1);
        Assert.StartsWith("bad: cannot read 512 bytes at offset 0: EIO (5)", Assert.IsType<StorageException>(request.Error).Message, StringComparison.Ordinal);
        Assert.Equal(1_024_000, clock.GetTimestamp());

        // The pooled parts carry nothing over.
        request.Start(device, BlockOperation.Read, 512);
        clock.RunUntil(() => request.NumCompletions == 2);
        Assert.IsType<StorageException>(request.Error);
        request.Start(device, BlockOperation.Read, 0);
        clock.RunUntil(() => request.NumCompletions == 3);
        Assert.Null(request.Error);
    }

    [Fact]
    public void Submit_PartCancelledAndPartFailed_TellsOfTheFailure()
    {
        IBlockDevice failing = new FaultInjectingDevice(new MemoryDevice(4096), new FaultPlan().At(0, Fault.Error(5)));
        using var device = new StripedDevice([new CancellingDevice(), failing], [512, 512]);
        using ProbeRequest request = new ProbeRequest(1024).Start(device, BlockOperation.Read, 0);

        Assert.IsType<StorageException>(request.Error);
        Assert.IsType<OperationCanceledException>(request.Start(device, BlockOperation.Read, 0).Error);
    }

    [Fact]
    public void Submit_MemberRefuses_TellsAfterTheOtherPartsAreDone()
    {
        var held = new HeldDevice(new MemoryDevice(4096));
        var refusing = new HeldDevice(new MemoryDevice(4096)) { Holds = false, Refusal = new InvalidOperationException("opened for reading only"), RefusesAfter = 0 };
        using var device = new StripedDevice([held, refusing], [512, 512]);
        using ProbeRequest request = new ProbeRequest(2048).Start(device, BlockOperation.Write, 0);

        Assert.Equal((2, 0), (held.NumHeld, request.NumCompletions)); // The parts after the refused one were submitted, too.
        held.Release();
        Assert.Equal(1, request.NumCompletions);
        Assert.Same(refusing.Refusal, request.Error);
    }

    [Fact]
    public void Dispose_MemberThrows_DisposesTheOthers()
    {
        var first = new HeldDevice(new MemoryDevice(4096)) { DisposeError = new InvalidOperationException("first") };
        var second = new HeldDevice(new MemoryDevice(4096)) { DisposeError = new InvalidOperationException("second") };
        var device = new StripedDevice([first, second], [512, 512]);

        Assert.Same(first.DisposeError, Assert.Throws<InvalidOperationException>(device.Dispose));
        Assert.True(first.IsDisposed && second.IsDisposed);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Flush_AnyMemberFails_FailsAfterAllHaveEnded(int failing)
    {
        FaultInjectingDevice[] members =
        [
            .. Enumerable.Range(0, 3).Select(index => new FaultInjectingDevice(
                new MemoryDevice(4096, path: $"disk {index}"),
                index == failing ? new FaultPlan().At(0, Fault.Error(5)) : new FaultPlan().At(0, Fault.Delay(TimeSpan.FromMilliseconds(20))))),
        ];
        using var device = new StripedDevice(members, [512, 512, 512]);

        Assert.StartsWith($"disk {failing}: cannot flush: EIO (5)", Assert.Throws<StorageException>(device.Flush).Message, StringComparison.Ordinal);
        Assert.Equal(2, device.Traffic.Flushes);
        device.Flush();
        Assert.Equal(5, device.Traffic.Flushes);
    }

    [Fact]
    public void Submit_ManyThreads_EachRequestCompletesOnceWithItsOwnBytes()
    {
        MemoryDevice[] memory = [new MemoryDevice(MiB), new MemoryDevice(MiB)];
        using var device = new StripedDevice([.. memory.Select((member, index) => new CrashableDevice(member, completionSeed: index))], [1024, 512]);
        int numBroken = 0;
        Thread[] threads = [.. Enumerable.Range(1, 4).Select(number => new Thread(() =>
        {
            using var request = new ProbeRequest(8192);
            for (int round = 1; round <= 50; round++)
            {
                request.Fill((byte)(number * round)).Start(device, BlockOperation.Write, number * 8192).Wait();
                request.Fill(0).Start(device, BlockOperation.Read, number * 8192).Wait();
                bool isRight = request.Error is null && request.NumCompletions == 2 * round && request.Bytes.IndexOfAnyExcept((byte)(number * round)) < 0;
                Interlocked.Add(ref numBroken, isRight ? 0 : 1);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => Assert.True(thread.Join(TimeSpan.FromSeconds(60))));

        Assert.Equal(0, numBroken);
    }

    [Fact]
    public void Submit_SteadyState_AllocatesNothing()
    {
        var clock = new VirtualClock();
        using StripedDevice device = Throttled(clock, 4 * MiB, [1, 3], [4096, 3 * 4096]);
        using var transfer = new SequentialTransfer(device, 64 << 10, 8, clock);
        transfer.Run(BlockOperation.Write, 0, 64);
        transfer.Run(BlockOperation.Read, 0, 64);
        long before = GC.GetAllocatedBytesForCurrentThread();
        transfer.Run(BlockOperation.Write, 0, 64);
        transfer.Run(BlockOperation.Read, 0, 64);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Measure_TwoEqual_IsTwiceAsFastAsOne()
    {
        var clock = new VirtualClock();
        using StripedDevice device = Throttled(clock, 64 * MiB, [1, 1], StripeWidths.FromSpeeds([1, 1]));

        DeviceSpeed speed = DeviceSpeed.Measure(device, 0, device.SizeBytes, 16 * MiB, 4, clock);

        TestContext.Current.TestOutputHelper?.WriteLine($"{speed.ReadGBps:F3} and {speed.WriteGBps:F3} times one");
        Assert.InRange(Math.Min(speed.ReadGBps, speed.WriteGBps), 1.95, 2.001);
    }

    [Fact]
    public void Measure_ThreeToOneByMeasuredSpeeds_IsAlmostFourTimesTheSlower()
    {
        var clock = new VirtualClock();
        double[] speeds = [.. new[] { 1.0, 3.0 }.Select(gBps =>
        {
            using var alone = new ThrottledDevice(new MemoryDevice(8 * MiB), new ThrottleOptions(gBps, gBps), clock);
            return DeviceSpeed.Measure(alone, 0, 8 * MiB, MiB, 8, clock).MeanGBps;
        })];
        using StripedDevice device = Throttled(clock, 64 * MiB, [1, 3], StripeWidths.FromSpeeds(speeds));

        DeviceSpeed speed = DeviceSpeed.Measure(device, 0, device.SizeBytes, 16 * MiB, 4, clock);

        TestContext.Current.TestOutputHelper?.WriteLine($"{speed.ReadGBps / speeds[0]:F3} and {speed.WriteGBps / speeds[0]:F3} times the slower");
        Assert.InRange(Math.Min(speed.ReadGBps, speed.WriteGBps), 3.8 * speeds[0], 4.01 * speeds[0]);
    }

    [Fact]
    public void Constructor_BadWidths_ThrowsAndLeavesTheMembers()
    {
        using var member = new MemoryDevice(8192, alignmentBytes: 4096);
        using var other = new MemoryDevice(8192);

        Assert.Throws<ArgumentException>(() => new StripedDevice([], []));
        Assert.Throws<ArgumentException>(() => new StripedDevice([member, other], [4096]));
        Assert.Throws<ArgumentException>(() => new StripedDevice([member, other], [4096, 512]));
        Assert.Throws<ArgumentException>(() => new StripedDevice([member, other], [4096, 0]));
        Assert.Throws<ArgumentException>(() => new StripedDevice([member, other], [4096, 16384]));
        member.Flush();
        using var device = new StripedDevice([member, other], [4096, 8192]);
        Assert.Equal((4096, 12288), (device.AlignmentBytes, device.SizeBytes));
        Assert.Equal("memory + memory", device.Path);
    }

    private static StripedDevice Throttled(VirtualClock clock, long memberBytes, double[] gBps, IReadOnlyList<int> widths) =>
        new([.. gBps.Select(rate => new ThrottledDevice(new MemoryDevice(memberBytes), new ThrottleOptions(rate, rate), clock))], widths);

    private static StripedDevice RandomDevice(Random random)
    {
        int[] widths = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => 512 * random.Next(1, 7))];
        return new StripedDevice([.. widths.Select(width => new MemoryDevice(width + random.Next(20_000)))], widths);
    }

    private static int[] Sectors(MemoryDevice device) =>
        [.. Enumerable.Range(0, (int)device.SizeBytes / 512).Select(sector => (int)device.Contents.AsSpan<byte>(sector * 512, 1)[0])];

    /// <summary>Calls off whatever it is asked.</summary>
    private sealed class CancellingDevice : IBlockDevice
    {
        public string Path => "cancelling";

        public long SizeBytes => 4096;

        public int AlignmentBytes => 512;

        public DeviceTraffic Traffic => default;

        public void Submit(BlockRequest request) => request.Complete(new OperationCanceledException());

        public void Flush()
        {
        }

        public void Dispose()
        {
        }
    }
}
