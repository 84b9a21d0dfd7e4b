namespace Offload.Storage.States;

public sealed partial class StateStore
{
    /// <summary>The operation named by the error of a commit record that the device cannot read: <see cref="StoreOptions.FallBack"/> goes on without it.</summary>
    public const string OpenOperation = "open the store";

    /// <summary>Damage found at open that did no harm.</summary>
    private readonly List<string> _notes = [];

    /// <summary>A commit record that the device cannot read, in spite of which the store was opened; -1: none.</summary>
    private int _unreadableSlot = -1;

    /// <summary>Opens a store that the caller will repair at once if the options ask for it.</summary>
    internal static StateStore OpenUnrepaired(Devices.IBlockDevice device, StoreOptions options)
    {
        StateStore? store = null;
        try
        {
            store = new StateStore(device, StoreFormat.Read(device), options);
            store.ReadCommits(options);
            return store;
        }
        catch
        {
            if (store is null)
            {
                device.Dispose();
            }

            store?.Dispose();
            throw;
        }
    }

    /// <summary>Repairs, and tells if a step was given up.</summary>
    internal void FallBackAtOpen()
    {
        if (Fallback() is { Lost: { } lost } report)
        {
            Note($"{Device.Path}: step {lost.Step} was damaged and given up; the store is back at step {report.Current.Step}");
        }
    }

    /// <summary>Tells of damage that does no harm, now and in every report.</summary>
    internal void Note(string note)
    {
        _notes.Add(note);
        _warn?.Invoke(note);
    }

    /// <summary>Finds the newest whole record.</summary>
    private void ReadCommits(StoreOptions options)
    {
        foreach (string damage in _format.Damage)
        {
            Note($"{Device.Path}: {damage}; the other copy is used");
        }

        CommitSlots.Content[] slots = [ReadSlot(0), ReadSlot(1)];
        CommitSlots.Content? newest = CommitSlots.Newest(slots);
        for (int slot = 0; slot < slots.Length; slot++)
        {
            if (slots[slot].State == CommitRecord.State.Damaged)
            {
                string consequence = newest is null ? "nothing was committed" : $"the last commit is that of step {newest.Commit!.Step}";
                Note($"{Device.Path}: the commit record in slot {slot} is not whole, by a crash while it was written or by damage; {consequence}");
            }
            else if (slots[slot].Error is { } error)
            {
                GoOnWithout(slot, error, newest, options);
            }
        }

        if (newest is null)
        {
            return;
        }

        if (newest.IsInPlace)
        {
            throw InPlace(newest.Commit!.Step);
        }

        newest.Table!.CopyTo(_committed);
        newest.Table.CopyTo(_working);
        LastCommit = newest.Commit;
        _sequence = newest.Commit!.Sequence;

        // The record may be one of a process that was killed before its last flush: were it lost in a later power cut, after its predecessor's
        // tiles have been overwritten, nothing whole would be left.
        Device.Flush();
    }

    /// <summary>Reads a record, and once more if it is not whole: what is written after an older commit was opened makes the newer one useless.</summary>
    private CommitSlots.Content ReadSlot(int slot)
    {
        CommitSlots.Content first = _slots.Read(slot);
        if (first.State is CommitRecord.State.Whole or CommitRecord.State.Empty)
        {
            return first;
        }

        CommitSlots.Content second = _slots.Read(slot);
        if (second.State != first.State)
        {
            Note($"{Device.Path}: the commit record in slot {slot}, read twice, was once {Describe(first)} and once {Describe(second)}: check the drive and the memory");
        }

        return second;
    }

    /// <summary>The record that cannot be read may be the newer one: only a repair goes on without it.</summary>
    private void GoOnWithout(int slot, StorageException error, CommitSlots.Content? other, StoreOptions options)
    {
        if (other is null || other.IsInPlace || !options.FallBack)
        {
            throw new StorageException(
                Device.Path,
                OpenOperation,
                $"the commit record in slot {slot} cannot be read, and may be the newer one of the two: {error.Message}",
                other is null || other.IsInPlace ? "Check the drive." : $"Check the drive; 'offload inspect STORE --repair' goes on with the other record, of step {other.Commit!.Step}.",
                error);
        }

        _unreadableSlot = slot;
        Note($"{Device.Path}: the commit record in slot {slot} cannot be read ({error.Message}); the store goes on from step {other.Commit!.Step}, a step after that is lost");
    }

    private static string Describe(CommitSlots.Content content) => content.State switch
    {
        CommitRecord.State.Whole => "whole",
        CommitRecord.State.Empty => "empty",
        CommitRecord.State.Damaged => "damaged",
        _ => "unreadable",
    };
}
