namespace Offload.Storage.States;

public sealed partial class StateStore
{
    private const int VerifyLookahead = 2;

    /// <summary>
    /// Reads every byte of the last commit and compares it with its checksum, at the device's speed, in memory for three tiles. No transfer may be in
    /// flight, none be started.
    /// </summary>
    /// <param name="progress">Told the bytes checked, of <see cref="StoreGeometry.StateBytes"/>, after each tile; on the calling thread. Or null.</param>
    /// <param name="cancellationToken">Stops the check.</param>
    /// <exception cref="InvalidOperationException">Nothing was committed yet, or a write is in flight.</exception>
    /// <exception cref="StorageException">The store has failed before. Errors of reading tiles are reported as damage.</exception>
    public VerifyReport Verify(Action<long>? progress = null, CancellationToken cancellationToken = default)
    {
        StoreCommit commit = LastCommit ?? throw new InvalidOperationException("nothing was committed yet");
        return Verify(commit, _committed, progress, cancellationToken);
    }

    /// <summary>
    /// Repairs what can be: writes damaged copies of the description, and of files' labels, anew and, if the last commit is damaged and the one before is still whole
    /// (nothing was written since the last one), goes back to that. Reads everything. No transfer may be in flight.
    /// </summary>
    /// <param name="cancellationToken">Stops the check; nothing is changed.</param>
    /// <exception cref="StoreMismatchException">The last commit is damaged, and so is the one before: names the damage.</exception>
    /// <exception cref="StorageException">The device reported an error.</exception>
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

        VerifyReport found = Verify(progress: null, cancellationToken);
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
            mended = [.. _format.Damage, .. MendFiles?.Invoke() ?? []];
            Device.Flush();
        }
        catch (Exception error)
        {
            FailForGood(error);
            throw;
        }

        return new FallbackReport(found, LastCommit!, lost, mended);
    }

    private VerifyReport Verify(StoreCommit commit, TileTable table, Action<long>? progress, CancellationToken cancellationToken)
    {
        List<TileDamage> damage = [];
        long bytesRead = 0;
        using (var reader = new TileReader(this, Geometry.Tiles().Select(tile => new TileRead(tile, PartSet.All)), VerifyLookahead, limit: null, table))
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
                damage.Add(new TileDamage(unit.Name, tile, unit.Parts[part].Name, offsetBytes, sizeBytes, error.Message));
            }
        }
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
            throw CannotGoBack(damage, "there is no commit before it");
        }

        VerifyReport report = Verify(previous.Commit!, previous.Table!, progress: null, cancellationToken);
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
