using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed unsafe class TileTransferTests : IDisposable
{
    private static readonly TileId First = new(0, 0);

    private readonly HeldDevice _device = new(DeviceFor(Small())) { Holds = false };
    private readonly StateStore _store;
    private readonly NativeBuffer _buffer;

    public TileTransferTests()
    {
        _store = StateStore.Create(_device, Small(), new StoreOptions { BlockBytes = 4096 });
        WriteAll(_store, version: 1);
        _store.Commit(1, []);
        _buffer = new NativeBuffer(_store.Geometry.MaxTileBytes);
    }

    private byte* Address => (byte*)_buffer.Address;

    public void Dispose()
    {
        _device.Holds = false;
        _device.Release();
        _store.Dispose();
        _buffer.Dispose();
    }

    [Fact]
    public void Read_OnePart_TransfersThatPartInBlocksOfThePriority()
    {
        _device.Holds = true;
        var transfer = new TileTransfer(_store);
        transfer.PrepareRead(First, PartSet.Of(1), Address, IoPriority.Urgent);
        _store.Start(transfer);

        Assert.Equal(4, _device.Held.Count); // 4096 parameters of 4 bytes.
        Assert.All(_device.Held, request => Assert.Equal((BlockOperation.Read, IoPriority.Urgent, 4096), (request.Operation, request.Priority, request.SizeBytes)));
        Assert.False(transfer.IsCompleted);
        _device.Release();
        transfer.Wait(TestContext.Current.CancellationToken);
        Assert.True(Holds(_store, First, part: 1, Address, version: 1));
        Assert.False(Holds(_store, First, part: 0, Address, version: 1)); // Not asked for.
    }

    [Fact]
    public void Read_PartsApartOnTheDevice_LandAtTheirPlaces()
    {
        var tile = new TileId(1, 0);
        var transfer = new TileTransfer(_store);
        foreach (uint bits in new uint[] { 1, 2, 3, 4, 5, 6, 7 })
        {
            _buffer.Clear();
            transfer.PrepareRead(tile, new PartSet(bits), Address, IoPriority.Normal);
            _store.Start(transfer);
            transfer.Wait(TestContext.Current.CancellationToken);
            for (int part = 0; part < 3; part++)
            {
                Assert.Equal(new PartSet(bits).Contains(part), Holds(_store, tile, part, Address, version: 1));
            }
        }
    }

    [Fact]
    public void Start_TileInUse_IsRefused()
    {
        _device.Holds = true;
        var read = new TileTransfer(_store);
        var second = new TileTransfer(_store);
        using var buffer = new NativeBuffer(_store.Geometry.MaxTileBytes);
        read.PrepareRead(First, PartSet.All, Address, IoPriority.Normal);
        _store.Start(read);
        second.PrepareRead(First, PartSet.All, (byte*)buffer.Address, IoPriority.Normal);
        _store.Start(second);
        _device.Release();
        read.Wait(TestContext.Current.CancellationToken);
        second.Wait(TestContext.Current.CancellationToken);

        read.PrepareRead(First, PartSet.All, Address, IoPriority.Normal);
        _store.Start(read);
        second.PrepareWrite(First, (byte*)buffer.Address, IoPriority.Normal);
        Assert.Throws<InvalidOperationException>(() => _store.Start(second));
        Assert.Throws<InvalidOperationException>(() => _store.Start(read));
        Assert.Throws<InvalidOperationException>(() => read.PrepareRead(First, PartSet.All, Address, IoPriority.Normal));
        Assert.Throws<InvalidOperationException>(_store.Rollback);
        _device.Release();
        read.Wait(TestContext.Current.CancellationToken);

        _store.Start(second);
        Assert.Throws<InvalidOperationException>(() => StartRead(First));
        Assert.Throws<InvalidOperationException>(() => _store.Commit(2, []));
        _device.Release();
        second.Wait(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Start_SingleGenerationAndTileInUse_LeavesTheStoreUnmarked()
    {
        using var device = new HeldDevice(DeviceFor(Small(generations: 1))) { Holds = false };
        using StateStore store = StateStore.Create(device, Small(generations: 1));
        WriteAll(store, version: 1);
        store.Commit(1, []);
        var read = new TileTransfer(store);
        var write = new TileTransfer(store);
        device.Holds = true;
        read.PrepareRead(First, PartSet.All, Address, IoPriority.Normal);
        store.Start(read);
        device.Holds = false;
        long flushes = device.Traffic.Flushes;
        write.PrepareWrite(First, Address, IoPriority.Normal);

        Exception? refusal = Record.Exception(() => store.Start(write));
        device.Release();
        read.Wait(TestContext.Current.CancellationToken);

        Assert.IsType<InvalidOperationException>(refusal);
        Assert.Equal(flushes, device.Traffic.Flushes);
        store.Rollback(); // Nothing is lost.
        Assert.Null(FindDifference(store, _ => 1, _ => 1));
        store.Start(write);
        write.Wait(TestContext.Current.CancellationToken);
        Assert.Equal(flushes + 1, device.Traffic.Flushes);
    }

    [Fact]
    public void Cancel_WhileSomeBlocksAreInFlight_WaitsForThem()
    {
        _device.Holds = true;
        var transfer = new TileTransfer(_store);
        transfer.PrepareRead(First, PartSet.All, Address, IoPriority.Normal);
        _store.Start(transfer);
        using var cancellation = new CancellationTokenSource();
        var waiting = new Thread(() => Assert.Throws<OperationCanceledException>(() => transfer.Wait(cancellation.Token)));
        waiting.Start();
        _device.Release(2);
        cancellation.Cancel();

        Assert.False(waiting.Join(50)); // The others still have the memory.
        Assert.False(transfer.IsCompleted);
        _device.Release();
        Assert.True(waiting.Join(TimeSpan.FromSeconds(20)));

        _device.Holds = false;
        transfer.PrepareRead(First, PartSet.All, Address, IoPriority.Normal);
        _store.Start(transfer);
        transfer.Wait(TestContext.Current.CancellationToken);
        Assert.True(Holds(_store, First, part: 0, Address, version: 1));
    }

    [Fact]
    public void Cancel_AWrite_AsksForARollback()
    {
        _device.Holds = true;
        var transfer = new TileTransfer(_store);
        transfer.PrepareWrite(First, Address, IoPriority.Normal);
        _store.Start(transfer);
        transfer.Cancel();
        _device.Release();
        Assert.Throws<OperationCanceledException>(() => transfer.Wait(TestContext.Current.CancellationToken));
        _device.Holds = false;

        Assert.Contains("not written", Assert.Throws<StorageException>(() => _store.Commit(2, [])).Message, StringComparison.Ordinal);
        Assert.Throws<StorageException>(() => StartRead(First));
        _store.Rollback();
        Assert.Null(FindDifference(_store, _ => 1, _ => 1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void Wait_DeviceRefusesASubmission_TellsAfterTheOthersAreDone(int taken)
    {
        _device.Holds = true;
        _device.RefusesAfter = taken;
        TileTransfer transfer = StartRead(First);
        _device.RefusesAfter = null;

        Assert.Equal(taken, _device.Held.Count);
        Assert.Equal(taken == 0, transfer.IsCompleted);
        _device.Release();
        Assert.Throws<ObjectDisposedException>(() => transfer.Wait(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Transfers_OfManyThreadsWithCancellations_AllEnd()
    {
        using var folder = new TemporaryFolder();
        using StateStore store = StoreFiles.Create([folder.Path], Small(), new StoreFilesOptions { QueueDepth = 2, Store = new StoreOptions { BlockBytes = 4096 } });
        WriteAll(store, version: 1);
        store.Commit(1, []);
        TileId[] tiles = [.. store.Geometry.Tiles()];
        int numCancelled = 0;
        Thread[] threads = [.. Enumerable.Range(0, tiles.Length).Select(index => new Thread(() => Use(index)))];

        Array.ForEach(threads, thread => thread.Start());
        Assert.All(threads, thread => Assert.True(thread.Join(TimeSpan.FromSeconds(60))));

        store.Rollback();
        Assert.Null(FindDifference(store, _ => 1, _ => 1));
        Assert.True(numCancelled > 0);

        void Use(int index)
        {
            // Each has a tile of its own: after a cancelled write reads are refused until the rollback.
            var random = new Random(index);
            using var buffer = new NativeBuffer(store.Geometry.MaxTileBytes);
            var transfer = new TileTransfer(store);
            for (int count = 0; count < 200; count++)
            {
                try
                {
                    if (random.Next(2) == 0)
                    {
                        transfer.PrepareRead(tiles[index], PartSet.All, (byte*)buffer.Address, IoPriority.Urgent);
                    }
                    else
                    {
                        transfer.PrepareWrite(tiles[index], (byte*)buffer.Address, IoPriority.Background);
                    }

                    store.Start(transfer);
                    if (random.Next(3) == 0)
                    {
                        transfer.Cancel();
                    }

                    transfer.Wait(TestContext.Current.CancellationToken);
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref numCancelled);
                }
                catch (StorageException error) when (error.InnerException is OperationCanceledException)
                {
                    // A read after a cancelled write.
                }
            }
        }
    }

    [Fact]
    public void Prepare_WhatMakesNoSense_IsRefused()
    {
        var transfer = new TileTransfer(_store);

        Assert.Throws<ArgumentOutOfRangeException>(() => transfer.PrepareRead(new TileId(0, 3), PartSet.All, Address, IoPriority.Normal));
        Assert.Throws<ArgumentException>(() => transfer.PrepareRead(First, PartSet.Of(2), Address, IoPriority.Normal));
        Assert.Throws<ArgumentException>(() => transfer.PrepareRead(First, PartSet.All, Address + 512, IoPriority.Normal));
        Assert.Throws<InvalidOperationException>(() => transfer.Wait(TestContext.Current.CancellationToken));
        Assert.Throws<InvalidOperationException>(() => _store.Start(transfer));
    }

    [Fact]
    public void Dispose_WhileATransferIsInFlight_WaitsForIt()
    {
        _device.Holds = true;
        TileTransfer transfer = StartRead(First);
        var disposing = new Thread(_store.Dispose);
        disposing.Start();

        Assert.False(disposing.Join(50));
        _device.Release();
        Assert.True(disposing.Join(TimeSpan.FromSeconds(20)));
        transfer.Wait(TestContext.Current.CancellationToken);
        Assert.Throws<ObjectDisposedException>(() => StartRead(First));
    }

    private TileTransfer StartRead(TileId tile)
    {
        var transfer = new TileTransfer(_store);
        transfer.PrepareRead(tile, PartSet.All, Address, IoPriority.Normal);
        _store.Start(transfer);
        return transfer;
    }
}
