using System.IO.Hashing;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed unsafe class ChecksumThreadsTests : IDisposable
{
    private static readonly TileId First = new(0, 0);

    private readonly StateStore _store = StateStore.Create(DeviceFor(Small()), Small());
    private readonly NativeBuffer _buffer;

    public ChecksumThreadsTests()
    {
        _buffer = new NativeBuffer(_store.Geometry.MaxTileBytes);
        Fill(_store, First, (byte*)_buffer.Address, version: 1);
    }

    public void Dispose()
    {
        _store.Dispose();
        _buffer.Dispose();
    }

    [Fact]
    public void Queue_SeveralWait_UrgentFirstThenInOrder()
    {
        IoPriority[] priorities = [IoPriority.Background, IoPriority.Normal, IoPriority.Background, IoPriority.Urgent, IoPriority.Normal, IoPriority.Urgent];
        TileTransfer[] transfers = [.. priorities.Select(Prepared)];
        var queue = new WaitingQueue<TileTransfer>();
        for (int round = 0; round < 2; round++)
        {
            Array.ForEach(transfers, queue.Add);
            List<int> order = [];
            while (queue.TryTake(out TileTransfer? transfer))
            {
                order.Add(Array.IndexOf(transfers, transfer));
            }

            Assert.Equal([3, 5, 1, 4, 0, 2], order);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Enqueue_ManyTransfers_AllAreComputedBeforeTheDisposalReturns(int numThreads)
    {
        TileTransfer[] transfers = [.. Enumerable.Range(0, 300).Select(index => Prepared((IoPriority)(index % 3)))];
        var threads = new ChecksumThreads(numThreads);

        Array.ForEach(transfers, threads.Enqueue);
        threads.Dispose();

        PartRange range = _store.Geometry.Tile(First).PartRange(1);
        ulong expected = XxHash3.HashToUInt64(_buffer.AsSpan<byte>(range.OffsetBytes, range.PaddedBytes));
        Assert.All(transfers, transfer => Assert.Equal(expected, transfer.Hashes[1]));
    }

    // A write that is not started: the threads compute its checksums, and the store knows nothing of it.
    private TileTransfer Prepared(IoPriority priority)
    {
        var transfer = new TileTransfer(_store);
        transfer.PrepareWrite(First, (byte*)_buffer.Address, priority);
        return transfer;
    }
}
