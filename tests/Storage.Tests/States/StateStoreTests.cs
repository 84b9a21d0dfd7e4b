using System.Text;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using Offload.Tests.Infrastructure.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed unsafe class StateStoreTests : IDisposable
{
    private readonly KeptDevice _device = new(DeviceFor(Small()));

    public void Dispose() => _device.Inner.Dispose();

    [Fact]
    public void Open_AfterCommit_HasItsContentsAndRunState()
    {
        Make();

        using StateStore store = StateStore.Open(_device);

        Assert.Equal(10, store.LastCommit!.Step);
        Assert.Equal("state", Encoding.UTF8.GetString(store.LastCommit.RunState.Span));
        Assert.Equal("tiny", store.Description.Owner.GetProperty("model").GetString());
        Assert.Equal(Small().Units.Select(unit => unit.Name), store.Description.Units.Select(unit => unit.Name));
        Assert.Equal(Small().Units[1].Parts, store.Description.Units[1].Parts);
        Assert.Null(FindDifference(store, _ => 1, _ => 1));
        Assert.True(store.Verify(null, TestContext.Current.CancellationToken).IsIntact);
    }

    [Fact]
    public void Open_TilesWrittenWithoutCommit_HasTheLastCommit()
    {
        Make();
        using (StateStore store = StateStore.Open(_device))
        {
            WriteAll(store, version: 2);
            Assert.Null(FindDifference(store, _ => 2, _ => 1));
        }

        using StateStore again = StateStore.Open(_device);
        Assert.Null(FindDifference(again, _ => 1, _ => 1));
    }

    [Fact]
    public void PrepareReadCommitted_TileWrittenSince_ReadsTheCommit()
    {
        Make();
        using StateStore store = StateStore.Open(_device);
        var tile = new TileId(0, 1);
        using var now = new NativeBuffer(store.Geometry.MaxTileBytes);
        using var before = new NativeBuffer(store.Geometry.MaxTileBytes);
        var transfer = new TileTransfer(store);
        Read(fromCommit: false, before);
        Write(store, tile, version: 2);

        Read(fromCommit: true, now);
        Assert.True(Bytes(now).SequenceEqual(Bytes(before)));
        Read(fromCommit: false, now);
        Assert.False(Bytes(now).SequenceEqual(Bytes(before)));
        store.Commit(11, []);
        Read(fromCommit: true, before);
        Assert.True(Bytes(now).SequenceEqual(Bytes(before)));

        void Read(bool fromCommit, NativeBuffer memory)
        {
            if (fromCommit)
            {
                transfer.PrepareReadCommitted(tile, PartSet.All, (byte*)memory.Address, IoPriority.Normal);
            }
            else
            {
                transfer.PrepareRead(tile, PartSet.All, (byte*)memory.Address, IoPriority.Normal);
            }

            store.Start(transfer);
            transfer.Wait(TestContext.Current.CancellationToken);
        }

        Span<byte> Bytes(NativeBuffer memory) => memory.AsSpan<byte>(0, store.Geometry.Tile(tile).SizeBytes);
    }

    [Fact]
    public void Commit_SomeTilesWritten_KeepsTheOthers()
    {
        Make();
        var changed = new TileId(0, 1);
        using (StateStore store = StateStore.Open(_device))
        {
            for (int step = 11; step <= 14; step++)
            {
                Write(store, changed, version: 0);
                Write(store, changed, version: step);
                store.Commit(step, []);
            }
        }

        using StateStore again = StateStore.Open(_device);
        Assert.Equal(14, again.LastCommit!.Step);
        Assert.Null(FindDifference(again, tile => tile == changed ? 14 : 1, _ => 1));
    }

    [Fact]
    public void Rollback_AfterWrites_HasTheLastCommit()
    {
        Make();
        using StateStore store = StateStore.Open(_device);
        WriteAll(store, version: 2);

        store.Rollback();

        Assert.Null(FindDifference(store, _ => 1, _ => 1));
        Write(store, new TileId(1, 0), version: 3);
        store.Commit(11, []);
        Assert.Null(FindDifference(store, tile => tile.Unit == 1 ? 3 : 1, _ => 1));
    }

    private void Make()
    {
        using StateStore store = StateStore.Create(_device, Small());
        Assert.Null(store.LastCommit);
        WriteAll(store, version: 1);
        store.Commit(10, "state"u8);
    }
}
