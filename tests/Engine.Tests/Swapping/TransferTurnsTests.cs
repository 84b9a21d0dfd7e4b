using Offload.Engine.Swapping;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Engine.Tests.Swapping;

public sealed unsafe class TransferTurnsTests : IDisposable
{
    private readonly RefusingDevice _device = new(DeviceFor(Small()));
    private readonly StateStore _store;
    private readonly TileId[] _tiles;
    private readonly NativeBuffer _buffer;

    public TransferTurnsTests()
    {
        _store = StateStore.Create(_device, Small());
        WriteAll(_store, version: 1);
        _store.Commit(1, []);
        _tiles = [.. _store.Geometry.Tiles()];
        _buffer = new NativeBuffer(_tiles.Length * (long)_store.Geometry.MaxTileBytes);
    }

    public void Dispose()
    {
        _store.Dispose();
        _buffer.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(16)]
    public void Start_MoreTilesThanTransfers_AllAreReadInTurn(int count)
    {
        var turns = new TransferTurns(_store, count);
        for (int round = 0; round < 3; round++)
        {
            _buffer.Clear();
            ReadAll(turns);
            for (int tile = 0; tile < _tiles.Length; tile++)
            {
                Assert.True(Holds(_store, _tiles[tile], part: 0, Place(tile), version: 1));
            }
        }
    }

    [Fact]
    public void Abandon_AfterAnError_LeavesNothingInFlightAndMayBeUsedAgain()
    {
        var turns = new TransferTurns(_store, 2);
        _device.Refuses = true;

        Assert.Throws<StorageException>(() => ReadAll(turns));
        turns.Abandon();
        _device.Refuses = false;

        _store.Rollback(); // Refused if something were in flight.
        ReadAll(turns);
        Assert.True(Holds(_store, _tiles[^1], part: 0, Place(_tiles.Length - 1), version: 1));
    }

    [Fact]
    public void Start_AfterAWriteThatFailed_TellsOfTheWrite()
    {
        var turns = new TransferTurns(_store, 2);
        _device.Refuses = true;
        turns.Next(TestContext.Current.CancellationToken).PrepareWrite(_tiles[0], Place(0), IoPriority.Normal);
        turns.Start();
        StorageException failure = Assert.Throws<StorageException>(() => turns.Drain(TestContext.Current.CancellationToken));
        _device.Refuses = false;

        Assert.Same(failure, Assert.Throws<StorageException>(() => ReadAll(turns)));
    }

    private byte* Place(int tile) => (byte*)_buffer.Address + (tile * (long)_store.Geometry.MaxTileBytes);

    private void ReadAll(TransferTurns turns)
    {
        for (int tile = 0; tile < _tiles.Length; tile++)
        {
            turns.Next(TestContext.Current.CancellationToken).PrepareRead(_tiles[tile], PartSet.All, Place(tile), IoPriority.Normal);
            turns.Start();
        }

        turns.Drain(TestContext.Current.CancellationToken);
    }

    private sealed class RefusingDevice(IBlockDevice inner) : IBlockDevice
    {
        public bool Refuses { get; set; }

        public string Path => inner.Path;

        public long SizeBytes => inner.SizeBytes;

        public int AlignmentBytes => inner.AlignmentBytes;

        public DeviceTraffic Traffic => inner.Traffic;

        public void Submit(BlockRequest request)
        {
            if (Refuses)
            {
                throw new StorageException(Path, "transfer", "it refuses", "Do not ask it.");
            }

            inner.Submit(request);
        }

        public void Flush() => inner.Flush();

        public void Dispose() => inner.Dispose();
    }
}
