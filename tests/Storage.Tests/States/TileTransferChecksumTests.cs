using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

/// <summary>Checksums that are computed while a tile's later blocks are on their way.</summary>
public sealed unsafe class TileTransferChecksumTests : IDisposable
{
    private const int BlockBytes = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TileId First = new(0, 0);

    private readonly MemoryDevice _memory = DeviceFor(Small());
    private readonly HeldDevice _device;
    private readonly StateStore _store;
    private readonly NativeBuffer _buffer;
    private readonly TileTransfer _transfer;

    public TileTransferChecksumTests()
    {
        _device = new HeldDevice(_memory) { Holds = false };
        _store = StateStore.Create(_device, Small(), new StoreOptions { BlockBytes = BlockBytes });
        WriteAll(_store, version: 1);
        _store.Commit(1, []);
        _buffer = new NativeBuffer(_store.Geometry.MaxTileBytes);
        _transfer = new TileTransfer(_store);
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
    public void Read_SomeBlocksAreStillOnTheirWay_TheOthersAreChecked()
    {
        StartRead(PartSet.All);
        int part0Bytes = _store.Geometry.Tile(First).PartRange(0).PaddedBytes;

        _device.Release((part0Bytes / BlockBytes) + 2);

        Assert.True(SpinWait.SpinUntil(() => Added(0) == part0Bytes && Added(1) == 2 * BlockBytes, Patience));
        Assert.False(_transfer.IsCompleted);
        _device.Release();
        Wait();
        Assert.True(Holds(_store, First, part: 1, Address, version: 1));
    }

    [Fact]
    public void Read_BlocksArriveBackwards_AreCheckedInOrder()
    {
        StartRead(PartSet.All);
        while (_device.Held.Count > 1)
        {
            _device.ReleaseLast();
        }

        Assert.Equal(0, Added(0)); // The first one is missing.
        _device.Release();
        Wait();
        for (int part = 0; part < _store.Description.Units[0].Parts.Count; part++)
        {
            Assert.True(Holds(_store, First, part, Address, version: 1));
            Assert.Equal(_store.Geometry.Tile(First).PartRange(part).PaddedBytes, Added(part));
        }
    }

    [Fact]
    public void Read_TwoPartsAreDamaged_TellsOfTheFirstAndKnowsBoth()
    {
        Damage(part: 0);
        Damage(part: 1);
        StartRead(PartSet.All);
        _device.Release();

        StoreMismatchException error = Assert.Throws<StoreMismatchException>(Wait);

        Assert.Contains($"part {DisplayText.Quote(_store.Description.Units[0].Parts[0].Name)}", error.Message, StringComparison.Ordinal);
        Assert.Equal(PartSet.Of(0).With(PartSet.Of(1)), _transfer.DamagedParts);

        // And the next use begins anew.
        Repair(part: 0);
        StartRead(PartSet.Of(0));
        _device.Release();
        Wait();
        Assert.True(_transfer.DamagedParts.IsEmpty);
    }

    [Fact]
    public void Read_DamagedAndThenRefused_TellsOfTheDevice()
    {
        Damage(part: 0);
        _device.RefusesAfter = 4;
        StartRead(PartSet.All);
        _device.RefusesAfter = null;
        _device.Release();

        Assert.Throws<ObjectDisposedException>(Wait);
        Assert.True(_transfer.DamagedParts.IsEmpty);
    }

    [Fact]
    public void Write_NothingIsWrittenYet_IsCheckedMeanwhile()
    {
        Fill(_store, First, Address, version: 2);
        _device.Holds = true;
        _transfer.PrepareWrite(First, Address, IoPriority.Normal);
        _store.Start(_transfer);

        Assert.True(SpinWait.SpinUntil(() => Added(0) == _store.Geometry.Tile(First).PartRange(0).PaddedBytes, Patience));
        Assert.False(_transfer.IsCompleted);
        _device.Release();
        Wait();
        _device.Holds = false;
        StartRead(PartSet.Of(0));
        _device.Release();
        Wait();
        Assert.True(Holds(_store, First, part: 0, Address, version: 2));
    }

    [Fact]
    public void Read_OfWholeBlocks_EndsWithSmallOnes()
    {
        var description = new StoreDescription
        {
            Units = [new StateUnit("unit", 2 << 20, [new("a", ElementType.F32), new("b", ElementType.BF16)])],
            Generations = 1,
            Owner = Small().Owner,
        };
        using var device = new HeldDevice(DeviceFor(description)) { Holds = false };
        using StateStore store = StateStore.Create(device, description);
        WriteAll(store, version: 1);
        using var buffer = new NativeBuffer(store.Geometry.MaxTileBytes);
        var transfer = new TileTransfer(store);
        device.Holds = true;

        Assert.Equal([4, 4, 1, 1, 1, 1], Sizes(PartSet.All));
        Assert.Equal([4, 1, 1, 1, 1], Sizes(PartSet.Of(0)));
        Assert.Equal([4], Sizes(PartSet.Of(1))); // One of many in flight.

        List<int> Sizes(PartSet parts)
        {
            transfer.PrepareRead(First, parts, (byte*)buffer.Address, IoPriority.Normal);
            store.Start(transfer);
            List<int> sizes = [.. device.Held.Select(request => request.SizeBytes >> 20)];
            device.Release();
            transfer.Wait(TestContext.Current.CancellationToken);
            return sizes;
        }
    }

    private int Added(int part) => _transfer.Checksums[part].NumAdded;

    private void StartRead(PartSet parts)
    {
        _device.Holds = true;
        _transfer.PrepareRead(First, parts, Address, IoPriority.Normal);
        _store.Start(_transfer);
    }

    private void Wait() => _transfer.Wait(TestContext.Current.CancellationToken);

    private void Damage(int part) => _memory.Contents.AsSpan<byte>(Offset(part), 1)[0] ^= 1;

    private void Repair(int part) => Damage(part);

    private long Offset(int part) => _store.PartOffsetBytes(First, part, copy: 0);
}
