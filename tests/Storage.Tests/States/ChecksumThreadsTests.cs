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
        PartChecksum[] checksums = [.. priorities.Select(Prepared)];
        var queue = new WaitingQueue<PartChecksum>();
        for (int round = 0; round < 2; round++)
        {
            Array.ForEach(checksums, queue.Add);
            List<int> order = [];
            while (queue.TryTake(out PartChecksum? checksum))
            {
                order.Add(Array.IndexOf(checksums, checksum));
            }

            Assert.Equal([3, 5, 1, 4, 0, 2], order);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Enqueue_ManyParts_AllAreComputedBeforeTheDisposalReturns(int numThreads)
    {
        PartChecksum[] checksums = [.. Enumerable.Range(0, 300).Select(index => Prepared((IoPriority)(index % 3)))];
        var threads = new ChecksumThreads(numThreads);
        Assert.All(checksums, checksum => Assert.True(checksum.Extend(long.MaxValue)));

        Array.ForEach(checksums, threads.Enqueue);
        threads.Dispose();

        Assert.All(checksums, checksum => Assert.Equal(Expected(), checksum.Value));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(4096)]
    [InlineData(10_000)]
    public void Extend_BytesThatComeInPieces_GiveTheChecksumOfTheWhole(int pieceBytes)
    {
        PartChecksum checksum = Prepared(IoPriority.Normal);
        int end = Range.OffsetBytes + Range.PaddedBytes;
        int numTurns = 0;
        for (int there = 0; there < end + pieceBytes; there += pieceBytes)
        {
            bool hasWork = checksum.Extend(there);
            Assert.Equal(there > Range.OffsetBytes && there - pieceBytes < end, hasWork);
            if (hasWork)
            {
                Assert.False(checksum.Extend(there)); // It waits for its thread already.
                checksum.Compute();
                numTurns++;
            }
        }

        Assert.True(numTurns > 1);
        Assert.Equal(Expected(), checksum.Value);
    }

    private PartRange Range => _store.Geometry.Tile(First).PartRange(1);

    private ulong Expected() => XxHash3.HashToUInt64(_buffer.AsSpan<byte>(Range.OffsetBytes, Range.PaddedBytes));

    // Of a write that is not started: the threads compute its checksum, and the store knows nothing of it.
    private PartChecksum Prepared(IoPriority priority)
    {
        var transfer = new TileTransfer(_store);
        transfer.PrepareWrite(First, (byte*)_buffer.Address, priority);
        var checksum = new PartChecksum(transfer);
        checksum.Prepare((byte*)_buffer.Address, Range);
        return checksum;
    }
}
