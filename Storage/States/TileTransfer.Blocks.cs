using Offload.Storage.Devices;

namespace Offload.Storage.States;

public sealed unsafe partial class TileTransfer
{
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
                    numBlocks = AddBlocks(numBlocks, runOffset, runAddress, runBytes);
                    (runOffset, runAddress, runBytes) = (offset, range.OffsetBytes, 0);
                }

                runBytes += range.PaddedBytes;
            }

            offset += range.PaddedBytes;
        }

        return AddBlocks(numBlocks, runOffset, runAddress, runBytes);
    }

    private int AddBlocks(int numBlocks, long offsetBytes, long addressBytes, long sizeBytes)
    {
        for (long done = 0; done < sizeBytes; done += _store.BlockBytes)
        {
            if (numBlocks == _blocks.Length)
            {
                Grow();
            }

            int blockBytes = (int)Math.Min(_store.BlockBytes, sizeBytes - done);
            _blocks[numBlocks++].Prepare(Operation, offsetBytes + done, _address + addressBytes + done, blockBytes, Priority);
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
        internal override bool IsCancelled => Volatile.Read(ref transfer._isCancelled);

        protected override void OnCompleted(Exception? error)
        {
            if (error is not null)
            {
                transfer.Fail(error);
            }

            transfer.CountDown(1);
        }
    }
}
