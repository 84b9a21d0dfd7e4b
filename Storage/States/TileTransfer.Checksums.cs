using Offload.Storage.Devices;

namespace Offload.Storage.States;

public sealed unsafe partial class TileTransfer
{
    /// <summary>
    /// Called by a checksum thread: adds what is there of a part, and what comes meanwhile. So all checksums but that of the last block are
    /// computed while the device still reads: a tile of 24 MiB takes a fast drive 3.4 ms and its checksums about as long.
    /// </summary>
    internal void Compute(PartChecksum checksum)
    {
        while (TakeBytes(checksum) is > 0 and int count)
        {
            checksum.Add(count);
        }

        CountDown(1);
    }

    private int TakeBytes(PartChecksum checksum)
    {
        lock (_gate)
        {
            int count = checksum.Take();

            // A read that was cancelled when all of it had arrived counts as done; a write is not, as long as checksums of it are missing.
            if (count > 0 && Operation == BlockOperation.Write && _isCancelled)
            {
                Fail(new OperationCanceledException());
            }

            if (Error is null)
            {
                return count;
            }

            checksum.Leave();
            return 0;
        }
    }

    private void PrepareChecksums()
    {
        int numParts = _store.Description.Units[Tile.Unit].Parts.Count;
        if (_checksums.Length < numParts)
        {
            var grown = new PartChecksum[numParts];
            _checksums.CopyTo(grown, 0);
            for (int part = _checksums.Length; part < numParts; part++)
            {
                grown[part] = new PartChecksum(this);
            }

            _checksums = grown; // Only now, whole: memory may be out.
        }

        TileShape shape = _store.Geometry.Tile(Tile);
        for (int part = 0; part < numParts; part++)
        {
            if (Parts.Contains(part))
            {
                _checksums[part].Prepare(_address, shape.PartRange(part));
            }
        }
    }

    /// <summary>A block that was read is there: the bytes up to the first one that is missing are.</summary>
    private void Arrive(Block block)
    {
        lock (_gate)
        {
            block.HasArrived = true;
            int first = _numArrived;
            while (_numArrived < _numBlocks && _blocks[_numArrived].HasArrived)
            {
                _numArrived++;
            }

            if (_numArrived > first)
            {
                Block last = _blocks[_numArrived - 1];
                ExtendLocked(last.Address + last.SizeBytes - _address);
            }
        }
    }

    private void ExtendLocked(long tileBytes)
    {
        for (int part = 0; part < _checksums.Length; part++)
        {
            if (Parts.Contains(part) && _checksums[part].Extend(tileBytes))
            {
                // Counted before it can be done; the caller has a count of its own, so this is not the last.
                Interlocked.Increment(ref _remaining);
                _store.Checksums.Enqueue(_checksums[part]);
            }
        }
    }

    /// <summary>All bytes were transferred and all checksums computed.</summary>
    private void Conclude()
    {
        for (int part = 0; part < _checksums.Length; part++)
        {
            if (!Parts.Contains(part))
            {
                continue;
            }

            ulong found = _checksums[part].Value;
            if (Operation == BlockOperation.Write)
            {
                _hashes[part] = found;
            }
            else if (found != _hashes[part])
            {
                DamagedParts = DamagedParts.With(PartSet.Of(part));
                Fail(_store.Mismatch(this, part, found));
            }
        }
    }
}
