using Offload.Storage.Devices;
using Offload.Storage.Memory;
using static Offload.Storage.Devices.BlockOperation;

namespace Offload.Storage.Tests.Devices;

public sealed class DirectFileDeviceTests
{
    private const int BlockBytes = 8192;

    [Theory]
    [InlineData(IoEngine.IoUring, 1)]
    [InlineData(IoEngine.IoUring, 5)]
    [InlineData(IoEngine.IoUring, 32)]
    [InlineData(IoEngine.Threads, 1)]
    [InlineData(IoEngine.Threads, 32)]
    public void RandomTransfers_ConcurrentSubmitters_AgreeWithShadow(IoEngine engine, int queueDepth)
    {
        const int RegionBytes = 1 << 20;
        const int NumSubmitters = 4;
        byte[] shadow = new byte[NumSubmitters * RegionBytes];
        using var file = new DeviceFile(engine, shadow.Length, queueDepth);
        Exception?[] failures = new Exception?[NumSubmitters];
        Thread[] submitters = [.. Enumerable.Range(0, NumSubmitters).Select(i => new Thread(() =>
        {
            try
            {
                TransferRandomly(file.Device, shadow.AsMemory(i * RegionBytes, RegionBytes), i * RegionBytes, new Random((queueDepth * 10) + i));
            }
            catch (Exception error)
            {
                failures[i] = error;
            }
        }))];
        Array.ForEach(submitters, submitter => submitter.Start());
        Array.ForEach(submitters, submitter => submitter.Join());

        Assert.All(failures, Assert.Null);
        file.Device.Flush();
        file.Device.Dispose();
        Assert.Equal(shadow, File.ReadAllBytes(file.Path));
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Traffic_AfterTransfersAndFlush_CountsBytes(IoEngine engine)
    {
        using var file = new DeviceFile(engine, 4 * BlockBytes);
        using var request = new SignalRequest(BlockBytes);
        Assert.Equal(default, file.Device.Traffic);

        Assert.Null(request.Start(file.Device, Write, BlockBytes).Wait());
        Assert.Null(request.Start(file.Device, Write, 0).Wait());
        Assert.Null(request.Start(file.Device, Read, 0).Wait());
        file.Device.Flush();

        Assert.Equal(new DeviceTraffic(BlockBytes, 2 * BlockBytes, 1), file.Device.Traffic);
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Waiting_DifferentPriorities_HigherStartsFirst(IoEngine engine)
    {
        using var file = new DeviceFile(engine, 16 * BlockBytes, queueDepth: 1);
        using var isReleased = new ManualResetEventSlim();
        List<string> order = [];
        using var blocker = new SignalRequest(BlockBytes) { OnDone = isReleased.Wait };
        (string Name, IoPriority Priority)[] wanted =
        [
            ("first", IoPriority.Urgent), ("background 1", IoPriority.Background), ("normal 1", IoPriority.Normal), ("urgent 1", IoPriority.Urgent),
            ("background 2", IoPriority.Background), ("normal 2", IoPriority.Normal), ("urgent 2", IoPriority.Urgent),
        ];
        SignalRequest[] requests = [.. wanted.Select(want => new SignalRequest(BlockBytes) { OnDone = () => order.Add(want.Name) })];

        // The thread of the completions is held, so that all others are submitted before the second one is completed.
        blocker.Start(file.Device, Read, 0);
        for (int i = 0; i < requests.Length; i++)
        {
            requests[i].Start(file.Device, Read, i * BlockBytes, wanted[i].Priority);
        }

        isReleased.Set();
        Assert.All(requests, request => Assert.Null(request.Wait()));

        // The ring may have taken the first one when it came.
        Assert.Equal(["first", "urgent 1", "urgent 2", "normal 1", "normal 2", "background 1", "background 2"], order);
        Array.ForEach(requests, request => request.Dispose());
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Cancelled_BeforeItBegins_IsNotTransferred(IoEngine engine)
    {
        using var file = new DeviceFile(engine, 4 * BlockBytes, queueDepth: 1);
        using var isReleased = new ManualResetEventSlim();
        using var blocker = new SignalRequest(BlockBytes) { OnDone = isReleased.Wait };
        using var first = new SignalRequest(BlockBytes);
        using var cancelled = new SignalRequest(BlockBytes);
        using var atOnce = new SignalRequest(BlockBytes) { Cancelled = true };
        cancelled.Memory.Fill(7);

        blocker.Start(file.Device, Read, 0);
        first.Start(file.Device, Read, 0);
        cancelled.Start(file.Device, Write, 0);
        cancelled.Cancelled = true;
        isReleased.Set();

        Assert.IsType<OperationCanceledException>(cancelled.Wait());
        Assert.IsType<OperationCanceledException>(atOnce.Start(file.Device, Read, 0).Wait());
        Assert.Null(first.Wait());
        Assert.Equal(new DeviceTraffic(2 * BlockBytes, 0, 0), file.Device.Traffic);
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Dispose_RequestsInFlight_CompletesAllOfThem(IoEngine engine)
    {
        const int NumRequests = 100;
        using var file = new DeviceFile(engine, NumRequests * BlockBytes, queueDepth: 3);
        SignalRequest[] requests = [.. Enumerable.Range(0, NumRequests).Select(_ => new SignalRequest(BlockBytes))];
        for (int i = 0; i < NumRequests; i++)
        {
            requests[i].Memory.Fill((byte)(i + 1));
            requests[i].Start(file.Device, Write, i * BlockBytes);
        }

        file.Device.Dispose();

        Assert.All(requests, request => Assert.Equal((1, null), (request.NumCompletions, request.Error)));
        byte[] contents = File.ReadAllBytes(file.Path);
        Assert.All(Enumerable.Range(0, NumRequests), i => Assert.Equal(i + 1, contents[((i + 1) * BlockBytes) - 1]));
        Assert.Throws<ObjectDisposedException>(() => requests[0].Start(file.Device, Read, 0));
        Assert.Throws<ObjectDisposedException>(file.Device.Flush);
        file.Device.Dispose();
        Array.ForEach(requests, request => request.Dispose());
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Dispose_InACompletion_IsRefused(IoEngine engine)
    {
        using var file = new DeviceFile(engine, BlockBytes);
        Exception? error = null;
        using var request = new SignalRequest(BlockBytes) { OnDone = () => error = Record.Exception(file.Device.Dispose) };

        request.Start(file.Device, Read, 0).Wait();

        Assert.IsType<InvalidOperationException>(error);
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Submit_ByThreadsThatEndAtOnce_CompletesAll(IoEngine engine)
    {
        // The file has no written extents yet, so that the kernel hands these writes to workers, which end with the thread that submitted.
        const int NumThreads = 64;
        const int SizeBytes = 1 << 18;
        using var file = new DeviceFile(engine, NumThreads * SizeBytes, queueDepth: 16);
        SignalRequest[] requests = [.. Enumerable.Range(0, NumThreads).Select(_ => new SignalRequest(SizeBytes))];
        for (int i = 0; i < NumThreads; i++)
        {
            int index = i;
            requests[i].Memory.Fill((byte)(i + 1));
            new Thread(() => requests[index].Start(file.Device, Write, (long)index * SizeBytes)).Start();
        }

        Assert.All(requests, request => Assert.Null(request.Wait()));
        file.Device.Dispose();
        byte[] contents = File.ReadAllBytes(file.Path);
        Assert.All(Enumerable.Range(0, NumThreads), i => Assert.False(contents.AsSpan(i * SizeBytes, SizeBytes).ContainsAnyExcept((byte)(i + 1))));
        Array.ForEach(requests, request => request.Dispose());
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void Submit_SteadyState_AllocatesNothing(IoEngine engine)
    {
        const int NumRounds = 500;
        using var file = new DeviceFile(engine, 4 * BlockBytes, queueDepth: 1);
        long deviceBytes = 0;
        SignalRequest[] requests = [.. Enumerable.Range(0, 4).Select(_ => new SignalRequest(BlockBytes) { OnDone = () => deviceBytes = GC.GetAllocatedBytesForCurrentThread() })];
        Transfer(10);
        long submitterStart = GC.GetAllocatedBytesForCurrentThread();
        long deviceStart = deviceBytes;

        Transfer(NumRounds);

        // Waiting for an event allocates now and then; a byte a request would already be 2000.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - submitterStart, 0, NumRounds);
        Assert.InRange(deviceBytes - deviceStart, 0, NumRounds);
        Array.ForEach(requests, request => request.Dispose());

        void Transfer(int numRounds)
        {
            for (int round = 0; round < numRounds; round++)
            {
                for (int i = 0; i < requests.Length; i++)
                {
                    requests[i].Start(file.Device, (round + i) % 2 == 0 ? Read : Write, i * BlockBytes);
                }

                foreach (SignalRequest request in requests)
                {
                    request.Wait();
                }
            }
        }
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public void OpenAndDispose_ManyTimes_LeaksNoDescriptor(IoEngine engine)
    {
        const int NumRounds = 200;
        using var file = new DeviceFile(engine, BlockBytes);
        file.Device.Dispose();
        using var request = new SignalRequest(BlockBytes);
        int before = NumDescriptors();

        for (int i = 0; i < NumRounds; i++)
        {
            using DirectFileDevice device = DirectFileDevice.Open(file.Path, new DirectFileOptions { Engine = engine });
            Assert.Null(request.Start(device, Read, 0).Wait());
            Assert.Throws<StorageException>(() => DirectFileDevice.Open(file.Path));
        }

        // Tests that run at the same time open files too.
        Assert.InRange(NumDescriptors() - before, -NumRounds, NumRounds / 2);
    }

    [Theory]
    [InlineData(IoEngine.IoUring)]
    [InlineData(IoEngine.Threads)]
    public unsafe void TryRegisterBuffer_GrantedOrNot_TransfersAreTheSame(IoEngine engine)
    {
        const int NumBlocks = 8;
        using var memory = new NativeBuffer(NumBlocks * BlockBytes);
        using var file = new DeviceFile(engine, NumBlocks * BlockBytes);
        bool isRegistered = file.Device.TryRegisterBuffer(memory);
        using var another = new NativeBuffer(1 << 16);
        var request = new BlockingRequest();
        new Random(1).NextBytes(memory.AsSpan<byte>(0, NumBlocks * BlockBytes));
        byte[] written = memory.AsSpan<byte>(0, NumBlocks * BlockBytes).ToArray();

        for (int i = 0; i < NumBlocks; i++)
        {
            request.Transfer(file.Device, Write, i * BlockBytes, (byte*)memory.Address + (i * BlockBytes), BlockBytes);
        }

        memory.Clear();
        request.Transfer(file.Device, Read, 0, memory.Address, NumBlocks * BlockBytes);

        Assert.True(memory.AsSpan<byte>(0, written.Length).SequenceEqual(written));
        Assert.False(file.Device.TryRegisterBuffer(another));
        Assert.True(engine == IoEngine.IoUring || !isRegistered);
        using var elsewhere = new SignalRequest(BlockBytes);
        Assert.Null(elsewhere.Start(file.Device, Read, BlockBytes).Wait());
        Assert.True(elsewhere.Memory.SequenceEqual(written.AsSpan(BlockBytes, BlockBytes)));
    }

    [Fact]
    public void TryRegisterBuffer_AboveTheLimitOfLockedMemory_IsFalseAndTransfersGoOn()
    {
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "root may lock what it likes");
        string limit = File.ReadLines("/proc/self/limits").First(line => line.StartsWith("Max locked memory", StringComparison.Ordinal));
        Assert.SkipUnless(long.TryParse(limit.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], out long limitBytes) && limitBytes < 1 << 28, "no limit, or a high one");
        using var file = new DeviceFile(IoEngine.IoUring, BlockBytes);
        using var memory = new NativeBuffer(limitBytes + (1 << 20));

        Assert.False(file.Device.TryRegisterBuffer(memory));

        using var request = new SignalRequest(BlockBytes);
        Assert.Null(request.Start(file.Device, Read, 0).Wait());
    }

    private static int NumDescriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    private static void TransferRandomly(DirectFileDevice device, Memory<byte> shadow, long startBytes, Random random)
    {
        const int NumRounds = 40;
        const int NumRequests = 8;
        int alignment = device.AlignmentBytes;
        int shareBytes = shadow.Length / NumRequests;
        SignalRequest[] requests = [.. Enumerable.Range(0, NumRequests).Select(_ => new SignalRequest(shareBytes))];
        (int Offset, int Size, bool IsRead)[] ranges = new (int, int, bool)[NumRequests];
        for (int round = 0; round < NumRounds; round++)
        {
            for (int i = 0; i < NumRequests; i++)
            {
                int offset = random.Next(shareBytes / alignment) * alignment;
                int size = (1 + random.Next((shareBytes - offset) / alignment)) * alignment;
                ranges[i] = ((i * shareBytes) + offset, size, random.Next(2) == 0);
                random.NextBytes(requests[i].Memory);
                requests[i].Start(device, ranges[i].IsRead ? Read : Write, startBytes + ranges[i].Offset, (IoPriority)random.Next(3), size);
            }

            for (int i = 0; i < NumRequests; i++)
            {
                Assert.Null(requests[i].Wait());
                Span<byte> expected = shadow.Span.Slice(ranges[i].Offset, ranges[i].Size);
                Span<byte> memory = requests[i].Memory[..ranges[i].Size];
                if (ranges[i].IsRead)
                {
                    Assert.True(expected.SequenceEqual(memory));
                }
                else
                {
                    memory.CopyTo(expected);
                }
            }
        }

        Array.ForEach(requests, request => request.Dispose());
    }
}
