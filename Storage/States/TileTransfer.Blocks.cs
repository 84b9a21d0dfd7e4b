using Offload.Storage.Devices;

namespace Offload.Storage.States;

public sealed unsafe partial class TileTransfer
{
    /// <summary>
    /// Size of a read's last blocks: the checksum of the last one is computed when nothing of the tile is on its way any more. 4 MiB would be
    /// 0.5 ms, a seventh of what a fast drive takes for a tile; smaller blocks cost the processor twice as much, so only the last ones are.
    /// </summary>
    private const int LastBlockBytes = 1 << 20;

    /// <summary>Parts that lie next to each other, on the device and in memory, are one run; a run is cut into blocks.</summary>
    private int Cut()
    {
        StoreGeometry geometry = _store.Geometry;
        TileShape shape = geometry.Tile(Tile);
        PartSet changing = geometry.MutableParts(Tile.Unit);
        long mutableOffset = geometry.MutableOffsetBytes(Tile, Copy);
        long immutableOffset = geometry.ImmutableOffsetBytesOf(Tile);
        int numBlocks = 0;
        long runOffset = 0;
        long runAddress = 0;
        long runBytes = 0;
        for (int part = 0; part < _store.Description.Units[Tile.Unit].Parts.Count; part++)
        {
            PartRange range = shape.PartRange(part);
            ref long offset = ref changing.Contains(part) ? ref mutableOffset : ref immutableOffset;
            if (Parts.Contains(part))
            {
                if (runOffset + runBytes != offset || runAddress + runBytes != range.OffsetBytes)
                {
                    numBlocks = AddBlocks(numBlocks, runOffset, runAddress, runBytes, isLastRun: false);
                    (runOffset, runAddress, runBytes) = (offset, range.OffsetBytes, 0);
                }

                runBytes += range.PaddedBytes;
            }

            offset += range.PaddedBytes;
        }

        return AddBlocks(numBlocks, runOffset, runAddress, runBytes, isLastRun: true);
    }

    private int AddBlocks(int numBlocks, long offsetBytes, long addressBytes, long sizeBytes, bool isLastRun)
    {
        int blockBytes;
        for (long done = 0; done < sizeBytes; done += blockBytes)
        {
            if (numBlocks == _blocks.Length)
            {
                Grow();
            }

            // Who reads single blocks has many in flight: the others' checksums are computed meanwhile.
            bool isLast = isLastRun && Operation == BlockOperation.Read && numBlocks > 0 && sizeBytes - done <= _store.BlockBytes;
            blockBytes = (int)Math.Min(isLast ? Math.Min(LastBlockBytes, _store.BlockBytes) : _store.BlockBytes, sizeBytes - done);
            Block block = _blocks[numBlocks++];
            block.HasArrived = false;
            block.Prepare(Operation, offsetBytes + done, _address + addressBytes + done, blockBytes, Priority);
        }

        return numBlocks;
    }

    private void Grow()
    {
        Block[] grown = new Block[Math.Max(8, _blocks.Length * 2)];
        _blocks.CopyTo(grown, 0);
        for (int index = _blocks.Length; index < grown.Length; index++)
        {
            grown[index] = new Block(this);
        }

        _blocks = grown; // Only now, whole: memory may be out.
    }

    /// <summary>One request of the transfer.</summary>
    private sealed class Block(TileTransfer transfer) : BlockRequest
    {
        /// <summary>Whether it has been read; guarded by the transfer's lock.</summary>
        public bool HasArrived { get; set; }

        internal override bool IsCancelled => Volatile.Read(ref transfer._isCancelled);

        protected override void OnCompleted(Exception? error)
        {
            if (error is not null)
            {
                transfer.Fail(error);
            }
            else if (Operation == BlockOperation.Read)
            {
                transfer.Arrive(this);
            }

            transfer.CountDown(1);
        }
    }
}
