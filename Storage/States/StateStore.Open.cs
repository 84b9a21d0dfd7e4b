namespace Offload.Storage.States;

public sealed partial class StateStore
{
    /// <summary>Damage found at open that did no harm.</summary>
    private readonly List<string> _notes = [];

    /// <summary>Repairs, and tells if a step was given up.</summary>
    internal void FallBackAtOpen(StoreOptions options)
    {
        if (Fallback() is { Lost: { } lost } report)
        {
            Note(options, $"{Device.Path}: step {lost.Step} was damaged and given up; the store is back at step {report.Current.Step}");
        }
    }

    /// <summary>Finds the newest whole record.</summary>
    private void ReadCommits(StoreOptions options)
    {
        foreach (string damage in _format.Damage)
        {
            Note(options, $"{Device.Path}: {damage}; the other copy is used");
        }

        CommitSlots.Content[] slots = [_slots.Read(0), _slots.Read(1)];
        CommitSlots.Content? newest = CommitSlots.Newest(slots);
        for (int slot = 0; slot < slots.Length; slot++)
        {
            if (slots[slot].State == CommitRecord.State.Damaged)
            {
                string consequence = newest is null ? "nothing was committed" : $"the last commit is that of step {newest.Commit!.Step}";
                Note(options, $"{Device.Path}: the commit record in slot {slot} is not whole, by a crash while it was written or by damage; {consequence}");
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
        if (options.FallBack)
        {
            FallBackAtOpen(options);
        }
    }

    private void Note(StoreOptions options, string note)
    {
        _notes.Add(note);
        options.Warn?.Invoke(note);
    }
}
