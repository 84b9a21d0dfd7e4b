using System.Collections;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed unsafe class TileReaderTests : IDisposable
{
    private readonly HeldDevice _device = new(DeviceFor(Small())) { Holds = false };
    private readonly StateStore _store;
    private readonly TileRead[] _all;

    public TileReaderTests()
    {
        _store = StateStore.Create(_device, Small());
        WriteAll(_store, version: 1);
        _store.Commit(1, []);
        _all = [.. _store.Geometry.Tiles().Select(tile => new TileRead(tile, PartSet.All))];
    }

    public void Dispose()
    {
        _device.Holds = false;
        _device.Release();
        _store.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(9)]
    public void MoveNext_AnyLookahead_GivesTheTilesInOrder(int lookahead)
    {
        using var reader = new TileReader(_store, _all.Reverse(), lookahead);
        List<TileId> tiles = [];
        while (reader.MoveNext(TestContext.Current.CancellationToken))
        {
            tiles.Add(reader.Tile);
            Assert.Equal(_store.Geometry.Tile(reader.Tile), reader.Shape);
            Assert.True(Holds(_store, reader.Tile, part: 0, reader.Address, version: 1));
        }

        Assert.Equal(_all.Reverse().Select(read => read.Tile), tiles);
        Assert.False(reader.MoveNext(TestContext.Current.CancellationToken));
        Assert.Throws<InvalidOperationException>(() => reader.Tile);
    }

    [Fact]
    public void MoveNext_ReadsAhead_WhileTheCurrentTileIsUsed()
    {
        using var reader = new TileReader(_store, _all.Select(read => read with { Parts = PartSet.Of(0) }), lookahead: 2);
        Assert.True(reader.MoveNext(TestContext.Current.CancellationToken));
        TileId first = reader.Tile;
        _device.Holds = true;

        Assert.True(reader.MoveNext(TestContext.Current.CancellationToken));

        Assert.NotEqual(first, reader.Tile);
        Assert.Single(_device.Held); // The fourth tile, into the first one's memory; the third has arrived.
        _device.Holds = false;
        _device.Release();
    }

    [Fact]
    public void MoveNext_AfterTheErrorOfOneTile_GoesOnBehindIt()
    {
        long offset = _store.PartOffsetBytes(_all[1].Tile, part: 1, copy: 0);
        using var buffer = new NativeBuffer(4096);
        DeviceIo.Transfer(_device, BlockOperation.Write, offset, (byte*)buffer.Address, buffer.SizeBytes);
        using var reader = new TileReader(_store, _all);

        Assert.True(reader.MoveNext(TestContext.Current.CancellationToken));
        var error = Assert.Throws<StoreMismatchException>(() => reader.MoveNext(TestContext.Current.CancellationToken));
        Assert.Contains($"unit 'embedding', tile 1, part 'moment', 16384 bytes at offset {offset}", error.Message, StringComparison.Ordinal);
        Assert.True(reader.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal(_all[2].Tile, reader.Tile);
    }

    [Fact]
    public void MoveNext_StoreRefusesATileAhead_TellsInItsPlaceAndGoesOnBehindIt()
    {
        var noSuchTile = new TileRead(new TileId(7, 0), PartSet.All);
        var noSuchPart = new TileRead(_all[0].Tile, PartSet.Of(5));
        using var reader = new TileReader(_store, [_all[0], noSuchTile, _all[1], noSuchPart], lookahead: 3);

        Assert.True(reader.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal(_all[0].Tile, reader.Tile);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal((noSuchTile.Tile, false), (reader.Tile, reader.HasTile));
        Assert.True(reader.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal((_all[1].Tile, true), (reader.Tile, reader.HasTile));
        Assert.True(Holds(_store, reader.Tile, part: 0, reader.Address, version: 1));
        Assert.Throws<ArgumentException>(() => reader.MoveNext(TestContext.Current.CancellationToken));
        Assert.False(reader.MoveNext(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Dispose_WithRefusedTilesAhead_FreesTheMemory()
    {
        var limit = new MemoryLimit(long.MaxValue);
        var reader = new TileReader(_store, [_all[0], new TileRead(new TileId(7, 0), PartSet.All)], lookahead: 2, limit);
        Assert.True(reader.MoveNext(TestContext.Current.CancellationToken));

        reader.Dispose();

        Assert.Equal(0, limit.ReservedBytes);
    }

    [Fact]
    public void Constructor_TilesCannotBeEnumerated_HoldsNoMemory()
    {
        var limit = new MemoryLimit(long.MaxValue);

        Assert.Throws<NotSupportedException>(() => new TileReader(_store, new Unenumerable(), lookahead: 2, limit));
        Assert.Equal(0, limit.ReservedBytes);
    }

    [Fact]
    public void Dispose_WithReadsInFlight_WaitsForThem()
    {
        var reader = new TileReader(_store, _all);
        _device.Holds = true;
        var moving = new Thread(() => Assert.Throws<OperationCanceledException>(() => reader.MoveNext(new CancellationToken(canceled: true))));
        moving.Start();
        Assert.True(moving.Join(TimeSpan.FromSeconds(20))); // Cancelled before anything is started.
        using var cancellation = new CancellationTokenSource();
        moving = new Thread(() => Assert.ThrowsAny<OperationCanceledException>(() => reader.MoveNext(cancellation.Token)));
        moving.Start();
        Assert.True(SpinWait.SpinUntil(() => _device.NumHeld >= 3, TimeSpan.FromSeconds(20)));
        cancellation.Cancel();
        _device.Release(1);
        Assert.True(moving.Join(TimeSpan.FromSeconds(20)));

        var disposing = new Thread(reader.Dispose);
        disposing.Start();
        Assert.False(disposing.Join(50));
        _device.Release();
        Assert.True(disposing.Join(TimeSpan.FromSeconds(20)));
    }

    private sealed class Unenumerable : IEnumerable<TileRead>
    {
        public IEnumerator<TileRead> GetEnumerator() => throw new NotSupportedException();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
