using FsCheck.Xunit;
using Offload.Storage.Devices;

namespace Offload.Storage.Tests.Devices;

public sealed class CrashableDeviceTests
{
    private const int SizeBytes = 4096;
    private const int NumSectors = SizeBytes / CrashableDevice.SectorBytes;

    [Fact]
    public void Crash_Flushed_KeepsAll()
    {
        using CrashableDevice device = Create();
        Write(device, 512, 1024, 5);
        device.Flush();

        Assert.Equal(["05500000"], Outcomes(device));
    }

    [Fact]
    public void Crash_OneWriteUnflushed_AnySubsetOfItsSectors()
    {
        using CrashableDevice device = Create();
        Write(device, 0, SizeBytes, 1);
        device.Flush();
        Write(device, 1024, 1536, 2);

        Assert.Equal(["11111111", "11112111", "11121111", "11122111", "11211111", "11212111", "11221111", "11222111"], Outcomes(device));
    }

    [Fact]
    public void Crash_OverlappingWrites_AnyOrder()
    {
        using CrashableDevice device = Create();
        Write(device, 0, 512, 1);
        Write(device, 0, 512, 2);
        Write(device, 512, 512, 3);

        Assert.Equal(["00000000", "03000000", "10000000", "13000000", "20000000", "23000000"], Outcomes(device));
    }

    [Fact]
    public void Crash_AskedAgain_LeavesTheDeviceAsItWas()
    {
        using CrashableDevice device = Create();
        Write(device, 0, 512, 1);
        _ = Outcomes(device, 5);
        using ProbeRequest read = new ProbeRequest(SizeBytes).Start(device, BlockOperation.Read, 0);

        Assert.Equal(1, read.Bytes[0]);
        Assert.Equal(new DeviceTraffic(SizeBytes, 512, 0), device.Traffic);
    }

    [Fact]
    public void CrashAt_FromThatOperationOn_AllFails()
    {
        using CrashableDevice device = Create();
        device.CrashAt(2);
        Write(device, 0, 512, 1);
        device.Flush();
        Assert.False(device.HasCrashed);
        using ProbeRequest cut = new ProbeRequest(1024).Fill(2).Start(device, BlockOperation.Write, 0);
        using ProbeRequest never = new ProbeRequest(512).Fill(3).Start(device, BlockOperation.Write, 2048);
        using ProbeRequest read = new ProbeRequest(512).Start(device, BlockOperation.Read, 0);

        Assert.True(device.HasCrashed);
        Assert.Equal("disk: cannot write 1024 bytes at offset 0: the power was lost (simulated crash)", Assert.IsType<StorageException>(cut.Error).Message);
        Assert.IsType<StorageException>(never.Error);
        Assert.IsType<StorageException>(read.Error);
        Assert.Throws<StorageException>(device.Flush);
        Assert.Equal(6, device.NumOperations);
        Assert.Equal(["10000000", "12000000", "20000000", "22000000"], Outcomes(device));
    }

    [Fact]
    public void CrashAt_DuringFlush_NothingIsCertain()
    {
        using CrashableDevice device = Create();
        device.CrashAt(1);
        Write(device, 0, 512, 1);

        Assert.Throws<StorageException>(device.Flush);
        Assert.Equal(["00000000", "10000000"], Outcomes(device));
    }

    [Fact]
    public void Constructor_OverSurvivor_HistoryGoesOn()
    {
        using CrashableDevice first = Create();
        Write(first, 0, 512, 1);
        first.Flush();
        using var second = new CrashableDevice(first.Crash(new Random(1)));
        Write(second, 512, 512, 2);

        Assert.Equal(["10000000", "12000000"], Outcomes(second));
    }

    [Fact]
    public void Flush_WritesInFlight_StayUncertain()
    {
        // The first request's completion blocks the device's thread, so that the others are surely in flight while the flush comes.
        using var device = new CrashableDevice(new MemoryDevice(SizeBytes, path: "disk"), completionSeed: 1);
        using var isBlocked = new ManualResetEventSlim();
        using var mayGoOn = new ManualResetEventSlim();
        using var blocker = new ProbeRequest(512);
        blocker.Fill(1).AtCompletion = () =>
        {
            isBlocked.Set();
            mayGoOn.Wait(TimeSpan.FromSeconds(20));
        };
        blocker.Start(device, BlockOperation.Write, 0);
        Assert.True(isBlocked.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        using ProbeRequest inFlight = new ProbeRequest(512).Fill(2).Start(device, BlockOperation.Write, 512);
        device.Flush();
        string[] outcomes = Outcomes(device);
        mayGoOn.Set();
        inFlight.Wait();

        Assert.Equal(["10000000", "12000000"], outcomes);
        Assert.Equal("offload-crashable", inFlight.CompletionThread);
        device.Flush();
        Assert.Equal(["12000000"], Outcomes(device));
    }

    [Fact]
    public void Submit_CompletionsInAnyOrder_EachOnceAndAllArrive()
    {
        using var device = new CrashableDevice(new MemoryDevice(SizeBytes, path: "disk"), completionSeed: 2);
        ProbeRequest[] writes = [.. Enumerable.Range(0, NumSectors).Select(index => new ProbeRequest(512).Fill((byte)index))];
        List<int> order = [];
        for (int index = 0; index < writes.Length; index++)
        {
            int own = index;
            writes[index].AtCompletion = () =>
            {
                order.Add(own);
                Thread.Sleep(own == 0 ? 20 : 0); // Lets the others come in, so that there is a choice.
            };
            writes[index].Start(device, BlockOperation.Write, index * 512);
        }

        Array.ForEach(writes, write => Assert.Null(write.Wait().Error));
        device.Flush();

        Assert.Equal(["01234567"], Outcomes(device));
        Assert.All(writes, write => Assert.Equal(1, write.NumCompletions));
        Assert.Equal(Enumerable.Range(0, NumSectors), order.Order());
        Array.ForEach(writes, write => write.Dispose());
    }

    [Property(MaxTest = 200)]
    public void Crash_RandomHistory_EverySectorIsTheFlushedOneOrOneWrittenSince(int seed)
    {
        var random = new Random(seed);
        using CrashableDevice device = Create();
        List<byte>[] possible = [.. Enumerable.Range(0, NumSectors).Select(_ => new List<byte> { 0 })];
        byte[] newest = new byte[NumSectors];
        for (byte step = 1; step < 30; step++)
        {
            int first = random.Next(NumSectors);
            int count = random.Next(1, NumSectors - first + 1);
            Write(device, first * 512, count * 512, step);
            newest.AsSpan(first, count).Fill(step);
            Array.ForEach(possible[first..(first + count)], values => values.Add(step));
            if (random.Next(6) == 0)
            {
                device.Flush();
                possible = [.. newest.Select(value => new List<byte> { value })];
            }

            using MemoryDevice survivor = device.Crash(random);
            Assert.All(possible.Index(), sector => Assert.Contains(byte.Parse(Digit(survivor, sector.Index)), sector.Item));
        }
    }

    private static CrashableDevice Create() => new(new MemoryDevice(SizeBytes, path: "disk"));

    private static void Write(CrashableDevice device, long offsetBytes, int sizeBytes, byte value)
    {
        using ProbeRequest request = new ProbeRequest(sizeBytes).Fill(value).Start(device, BlockOperation.Write, offsetBytes);
        Assert.Null(request.Error);
    }

    /// <summary>All that many crashes leave, one digit a sector; each sector is of one value throughout.</summary>
    private static string[] Outcomes(CrashableDevice device, int count = 600)
    {
        var outcomes = new SortedSet<string>(StringComparer.Ordinal);
        var random = new Random(7);
        for (int index = 0; index < count; index++)
        {
            using MemoryDevice survivor = device.Crash(random);
            outcomes.Add(string.Concat(Enumerable.Range(0, NumSectors).Select(sector => Digit(survivor, sector))));
        }

        return [.. outcomes];
    }

    private static string Digit(MemoryDevice device, int sector)
    {
        Span<byte> bytes = device.Contents.AsSpan<byte>(sector * CrashableDevice.SectorBytes, CrashableDevice.SectorBytes);
        Assert.Equal(-1, bytes.IndexOfAnyExcept(bytes[0]));
        return bytes[0].ToString();
    }
}
