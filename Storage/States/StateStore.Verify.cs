namespace Offload.Storage.States;

public sealed partial class StateStore
{
    private const int VerifyLookahead = 2;

    // A commit is given up only for bytes that were wrong that many times more: a bit may flip on the way, too.
    private const int NumConfirmations = 2;

    /// <summary>
    /// Reads every byte of the last commit and compares it with its checksum, at the device's speed, in memory for three tiles. No transfer may be in
    /// flight, none be started.
    /// </summary>
    /// <param name="progress">Told the bytes checked, of <see cref="StoreGeometry.StateBytes"/>, after each tile; on the calling thread. Or null.</param>
    /// <param name="cancellationToken">Stops the check.</param>
    /// <exception cref="InvalidOperationException">
    /// Nothing was committed yet, or a write is in flight; or a single generation was written to since: the last commit is no longer there.
    /// </exception>
    /// <exception cref="StorageException">The store has failed before. Errors of reading tiles are reported as damage.</exception>
    public VerifyReport Verify(Action<long>? progress = null, CancellationToken cancellationToken = default)
    {
        StoreCommit commit = LastCommit ?? throw new InvalidOperationException("nothing was committed yet");
        lock (_gate)
        {
            if (_isMarked || _isMarking)
            {
                throw new InvalidOperationException("a single generation was written to: there is no commit to check before the next one");
            }
        }

        return Verify(commit, _committed, Geometry.Tiles(), progress, cancellationToken);
    }

    /// <summary>
    /// Repairs what can be: writes damaged copies of the description, and of files' labels, anew and, if the last commit is damaged and the one before is still whole
    /// (nothing was written since the last one), goes back to that. Damaged is what was not as it was written at each of several reads; what the device cannot
    /// read may be whole, and nothing is given up for it. Reads everything. No transfer may be in flight.
    /// </summary>
    /// <param name="cancellationToken">Stops the check; nothing is changed.</param>
    /// <exception cref="StoreMismatchException">The last commit is damaged, and so is the one before: names the damage.</exception>
    /// <exception cref="StorageException">The device reported an error, at reading a tile too.</exception>
    /// <exception cref="InvalidOperationException">Nothing was committed yet, or something was written since.</exception>
    public FallbackReport Fallback(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            ThrowIfUnusableLocked();
            if (_numInFlight > 0 || _isCommitting || _writeError is not null || Array.IndexOf(_isWritten, true) >= 0)
            {
                throw new InvalidOperationException("a store is repaired before anything is written to it");
            }
        }

        VerifyReport found = Confirm(Verify(progress: null, cancellationToken), _committed, cancellationToken);
        StoreCommit? lost = null;
        if (!found.IsIntact)
        {
            lost = found.Commit;
            GoBack(found, cancellationToken);
        }

        IReadOnlyList<string> mended;
        try
        {
            StoreFormat.Mend(Device, _format);
            mended = [.. _format.Damage, .. MendFiles?.Invoke() ?? [], .. EraseUnreadable()];
            Device.Flush();
        }
        catch (Exception error)
        {
            FailForGood(error);
            throw;
        }

        return new FallbackReport(found, LastCommit!, lost, mended);
    }

    /// <summary>Should it be readable again one day, it must not count: its tiles will have been overwritten.</summary>
    private IReadOnlyList<string> EraseUnreadable()
    {
        if (_unreadableSlot < 0)
        {
            return [];
        }

        _slots.Erase(_unreadableSlot);
        return [$"the commit record in slot {_unreadableSlot}, which could not be read, was erased"];
    }

    private VerifyReport Verify(StoreCommit commit, TileTable table, IEnumerable<TileId> tiles, Action<long>? progress, CancellationToken cancellationToken)
    {
        List<TileDamage> damage = [];
        long bytesRead = 0;
        using (var reader = new TileReader(this, tiles.Select(tile => new TileRead(tile, PartSet.All)), VerifyLookahead, limit: null, table))
        {
            bool isMore = true;
            while (isMore)
            {
                try
                {
                    isMore = reader.MoveNext(cancellationToken);
                    bytesRead += isMore ? reader.Shape.SizeBytes : 0;
                }
                catch (Exception error) when (error is StoreMismatchException or StorageException && reader.HasTile)
                {
                    AddDamage(damage, reader.Tile, reader.DamagedParts, table, error);
                }

                progress?.Invoke(bytesRead);
            }
        }

        return new VerifyReport(commit, bytesRead, damage, _notes);
    }

    private void AddDamage(List<TileDamage> damage, TileId tile, PartSet parts, TileTable table, Exception error)
    {
        StateUnit unit = Description.Units[tile.Unit];
        for (int part = 0; part < unit.Parts.Count; part++)
        {
            // Without a mismatch the device refused to read the tile: none of it can be counted on.
            if (parts.IsEmpty || parts.Contains(part))
            {
                long offsetBytes = PartOffsetBytes(tile, part, table.Copies[Geometry.TileIndex(tile)]);
                int sizeBytes = Geometry.Tile(tile).PartRange(part).PaddedBytes;
                damage.Add(new TileDamage(unit.Name, tile, unit.Parts[part].Name, offsetBytes, sizeBytes, error.Message) { DeviceError = error as StorageException });
            }
        }
    }

    /// <summary>Reads damaged tiles again: what is right now, or what the device cannot read, is not known to be lost.</summary>
    /// <exception cref="StorageException">The device cannot read one of them.</exception>
    private VerifyReport Confirm(VerifyReport report, TileTable table, CancellationToken cancellationToken)
    {
        IReadOnlyList<TileDamage> damage = report.Damage;
        for (int count = 0; count < NumConfirmations && damage.Count > 0; count++)
        {
            TileId[] tiles = [.. damage.Select(part => part.Tile).Distinct()];
            damage = Verify(report.Commit, table, tiles, progress: null, cancellationToken).Damage;
            if (damage.FirstOrDefault(part => part.DeviceError is not null) is { } unread)
            {
                throw new StorageException(
                    Device.Path,
                    "repair the store",
                    $"step {report.Commit.Step}: unit {DisplayText.Quote(unread.Unit)}, tile {unread.Tile.Tile} cannot be read: {unread.Problem}",
                    "Check the drive and its cable; the step is not given up for what may still be there.",
                    unread.DeviceError);
            }
        }

        TileDamage[] transient = [.. report.Damage.Where(first => !damage.Any(last => last.Tile == first.Tile))];
        if (transient.Length > 0)
        {
            Note($"{Device.Path}: {transient.Length} part(s) of tiles of step {report.Commit.Step} were wrong when first read and right when read again, the first at offset {transient[0].OffsetBytes}: check the drive and the memory");
        }

        return report with { Damage = damage };
    }

    private void GoBack(VerifyReport found, CancellationToken cancellationToken)
    {
        TileDamage first = found.Damage[0];
        string damage = $"step {found.Commit.Step} is damaged: unit {DisplayText.Quote(first.Unit)}, tile {first.Tile.Tile}, part {DisplayText.Quote(first.Part)} at offset {first.OffsetBytes}{(found.Damage.Count > 1 ? $", and {found.Damage.Count - 1} more" : "")}";
        if (Description.Generations == 1)
        {
            throw CannotGoBack(damage, "a store of a single generation has nothing to go back to");
        }

        int lostSlot = CommitSlots.SlotOf(found.Commit.Sequence);
        CommitSlots.Content previous = _slots.Read(1 - lostSlot);
        if (previous.State != CommitRecord.State.Whole)
        {
            throw CannotGoBack(damage, previous.State switch
            {
                CommitRecord.State.Empty => "there is no commit before it",
                CommitRecord.State.Unreadable => $"the other commit record, in slot {1 - lostSlot}, cannot be read: {previous.Error!.Message}",
                _ => $"the other commit record, in slot {1 - lostSlot}, of the step before or after it, is damaged",
            });
        }

        VerifyReport report = Confirm(
            Verify(previous.Commit!, previous.Table!, Geometry.Tiles(), progress: null, cancellationToken), previous.Table!, cancellationToken);
        if (!report.IsIntact)
        {
            throw CannotGoBack(
                damage,
                $"step {previous.Commit!.Step} before it is not whole either (damaged, or overwritten since): unit {DisplayText.Quote(report.Damage[0].Unit)}, tile {report.Damage[0].Tile.Tile}");
        }

        try
        {
            _slots.Erase(lostSlot);
            Device.Flush();
        }
        catch (Exception error)
        {
            FailForGood(error);
            throw;
        }

        lock (_gate)
        {
            previous.Table!.CopyTo(_committed);
            previous.Table.CopyTo(_working);
            LastCommit = previous.Commit;
            _sequence = previous.Commit!.Sequence;
        }
    }

    private void FailForGood(Exception error)
    {
        lock (_gate)
        {
            _failure ??= error;
        }
    }

    private StoreMismatchException CannotGoBack(string damage, string reason) =>
        new(Device.Path, $"{damage}; it cannot be repaired: {reason}", "Start anew or from an exported model.");
}
