using Offload.Storage.Devices;

namespace Offload.Storage.States;

public sealed partial class StateStore
{
    /// <summary>
    /// Starts a transfer; any error of the device comes out of its <see cref="TileTransfer.Wait"/>. Does not block, with one exception: in a store
    /// of a single generation the first write after a commit makes durable that tiles are being overwritten.
    /// </summary>
    /// <param name="transfer">Prepared.</param>
    /// <exception cref="InvalidOperationException">
    /// The tile is in use (only reads may overlap), was never written, or has no mutable parts; a commit is under way.
    /// </exception>
    /// <exception cref="StorageException">The store has failed before; or a read, after a write has failed and before <see cref="Rollback"/>.</exception>
    public void Start(TileTransfer transfer)
    {
        ArgumentNullException.ThrowIfNull(transfer);
        if (transfer.Store != this)
        {
            throw new ArgumentException("the transfer is for another store", nameof(transfer));
        }

        transfer.Take();
        PartSet parts;
        int copy;
        try
        {
            if (transfer.Operation == BlockOperation.Write)
            {
                BeginWrite(transfer, out parts, out copy);
                MarkInPlace(transfer);
            }
            else
            {
                BeginRead(transfer, out parts, out copy);
            }
        }
        catch
        {
            transfer.GiveBack();
            throw;
        }

        transfer.Submit(parts, copy);
    }

    /// <summary>A transfer's last event before it completes: what it did counts from here on.</summary>
    internal void Finish(TileTransfer transfer)
    {
        int index = Geometry.TileIndex(transfer.Tile);
        lock (_gate)
        {
            if (transfer.Operation == BlockOperation.Read)
            {
                _activity[index]--;
            }
            else
            {
                _activity[index] = 0;
                _numWritesInFlight--;
                if (transfer.Error is { } error)
                {
                    _writeError ??= error;
                    _isWritten[index] = false;
                }
                else
                {
                    RecordWriteLocked(transfer, index);
                }
            }

            if (--_numInFlight == 0)
            {
                Monitor.PulseAll(_gate);
            }
        }

        // After the count: who waited for the last transfer may roll back at once.
        transfer.Complete();
    }

    /// <summary>The error of a part whose checksum does not match.</summary>
    internal StoreMismatchException Mismatch(TileTransfer transfer, int part, ulong found)
    {
        StateUnit unit = Description.Units[transfer.Tile.Unit];
        return new StoreMismatchException(
            Device.Path,
            $"damaged: unit {DisplayText.Quote(unit.Name)}, tile {transfer.Tile.Tile}, part {DisplayText.Quote(unit.Parts[part].Name)}, {Geometry.Tile(transfer.Tile).PartRange(part).PaddedBytes} bytes at offset {PartOffsetBytes(transfer.Tile, part, transfer.Copy)}: expected checksum {transfer.Hashes[part]:x16}, found {found:x16}",
            "Check the drive; 'offload inspect STORE --verify' lists all damage, '--repair' goes back to the commit before, if that one is whole.");
    }

    /// <summary>Where a part of a tile lies on the device.</summary>
    internal long PartOffsetBytes(TileId tile, int part, int copy)
    {
        StateUnit unit = Description.Units[tile.Unit];
        bool isMutable = unit.Parts[part].IsMutable;
        PartSet kind = isMutable ? Geometry.MutableParts(tile.Unit) : new PartSet(~Geometry.MutableParts(tile.Unit).Bits);
        long within = TileLayout.TileBytes(unit, Geometry.Tile(tile).NumParameters, kind.And(new PartSet((1u << part) - 1)));
        return within + (isMutable ? Geometry.MutableOffsetBytes(tile, copy) : Geometry.ImmutableOffsetBytesOf(tile));
    }

    private void BeginWrite(TileTransfer transfer, out PartSet parts, out int copy)
    {
        int index = Geometry.TileIndex(transfer.Tile);
        lock (_gate)
        {
            ThrowIfUnusableLocked();
            parts = LastCommit is null ? transfer.Parts : Geometry.MutableParts(transfer.Tile.Unit);
            if (parts.IsEmpty)
            {
                throw new InvalidOperationException($"unit {transfer.Tile.Unit} has no part that can be written after the first commit");
            }

            if (_activity[index] != 0 || _isCommitting)
            {
                throw new InvalidOperationException(_isCommitting ? "a commit is under way" : $"{transfer.Tile} is in use");
            }

            copy = LastCommit is null || Description.Generations == 1 ? 0 : 1 - _committed.Copies[index];
            _activity[index] = -1;
            _numWritesInFlight++;
            _numInFlight++;
        }
    }

    /// <summary>Undoes <see cref="BeginWrite"/>: nothing was written.</summary>
    private void AbandonWrite(TileTransfer transfer)
    {
        lock (_gate)
        {
            _activity[Geometry.TileIndex(transfer.Tile)] = 0;
            _numWritesInFlight--;
            if (--_numInFlight == 0)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    private void BeginRead(TileTransfer transfer, out PartSet parts, out int copy)
    {
        int index = Geometry.TileIndex(transfer.Tile);
        lock (_gate)
        {
            ThrowIfUnusableLocked();
            TileTable table = transfer.Table ?? _working;
            if (_activity[index] < 0)
            {
                throw new InvalidOperationException($"{transfer.Tile} is being written");
            }

            if (_writeError is not null && transfer.Table is null)
            {
                throw AfterWriteError(_writeError);
            }

            if (LastCommit is null && !_isWritten[index])
            {
                throw new InvalidOperationException($"{transfer.Tile} was never written");
            }

            parts = transfer.Parts;
            copy = table.Copies[index];
            int numParts = Description.Units[transfer.Tile.Unit].Parts.Count;
            table.Hashes.AsSpan(Geometry.HashIndex(transfer.Tile), numParts).CopyTo(transfer.Hashes);
            _activity[index]++;
            _numInFlight++;
        }
    }

    private void RecordWriteLocked(TileTransfer transfer, int index)
    {
        int firstHash = Geometry.HashIndex(transfer.Tile);
        for (int part = 0; part < Description.Units[transfer.Tile.Unit].Parts.Count; part++)
        {
            if (transfer.Parts.Contains(part))
            {
                _working.Hashes[firstHash + part] = transfer.Hashes[part];
            }
        }

        _working.Copies[index] = (byte)transfer.Copy;
        _isWritten[index] = true;
    }

    /// <summary>Single generation: before a committed tile is overwritten it must be known, after a crash too, that tiles are.</summary>
    private void MarkInPlace(TileTransfer write)
    {
        if (Description.Generations != 1)
        {
            return;
        }

        try
        {
            if (BeginMark())
            {
                Mark();
            }
        }
        catch
        {
            AbandonWrite(write);
            throw;
        }
    }

    /// <summary>Whether the mark is missing and is the caller's to write; waits for one who is writing it.</summary>
    private bool BeginMark()
    {
        lock (_gate)
        {
            while (_isMarking)
            {
                Monitor.Wait(_gate);
            }

            ThrowIfUnusableLocked();
            _isMarking = !_isMarked && LastCommit is not null; // No commit is under way: there is a write.
            return _isMarking;
        }
    }

    private void Mark()
    {
        Exception? failure = null;
        try
        {
            _slots.Write(LastCommit! with { Sequence = _sequence + 1 }, isInPlace: true, _committed);
            Device.Flush();
        }
        catch (Exception error)
        {
            failure = error;
            throw;
        }
        finally
        {
            lock (_gate)
            {
                _isMarking = false;
                _isMarked = failure is null;
                _failure ??= failure;
                _sequence += failure is null ? 1 : 0;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
