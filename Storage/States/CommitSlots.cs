using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>The two places of commit records, used in turn. One thread at a time.</summary>
internal sealed unsafe class CommitSlots : IDisposable
{
    private readonly IBlockDevice _device;
    private readonly StoreGeometry _geometry;
    private readonly UInt128 _storeId;
    private readonly NativeBuffer _record;

    public CommitSlots(IBlockDevice device, StoreGeometry geometry, UInt128 storeId)
    {
        _device = device;
        _geometry = geometry;
        _storeId = storeId;
        _record = new NativeBuffer(geometry.CommitSlotBytes);
    }

    /// <summary>What a slot holds.</summary>
    /// <param name="State">Whether it is a record.</param>
    /// <param name="Commit">The record, if it is one.</param>
    /// <param name="IsInPlace">The record says that tiles were being overwritten.</param>
    /// <param name="Table">Where the tiles lie.</param>
    /// <param name="Error">Why it cannot be read, if it cannot.</param>
    public sealed record Content(CommitRecord.State State, StoreCommit? Commit = null, bool IsInPlace = false, TileTable? Table = null, StorageException? Error = null);

    /// <summary>The slot of a record.</summary>
    public static int SlotOf(long sequence) => (int)(sequence & 1);

    /// <summary>Writes a record, without a flush.</summary>
    /// <exception cref="StorageException">The device reported an error.</exception>
    public void Write(StoreCommit commit, bool isInPlace, TileTable table)
    {
        var head = new CommitRecord.Head(_storeId, commit.Sequence, commit.Step, isInPlace, commit.RunState.Length);
        int sizeBytes = (int)CommitRecord.SizeBytes(_geometry, commit.RunState.Length);
        CommitRecord.Write(_record.AsSpan<byte>(0, sizeBytes), head, commit.RunState.Span, table);
        DeviceIo.Transfer(_device, BlockOperation.Write, Offset(SlotOf(commit.Sequence)), (byte*)_record.Address, TileLayout.Pad(sizeBytes));
    }

    /// <summary>Makes a slot empty, without a flush.</summary>
    /// <exception cref="StorageException">The device reported an error.</exception>
    public void Erase(int slot)
    {
        _record.Clear();
        DeviceIo.Transfer(_device, BlockOperation.Write, Offset(slot), (byte*)_record.Address, _record.SizeBytes);
    }

    /// <summary>Reads a slot.</summary>
    public Content Read(int slot)
    {
        try
        {
            return ReadRecord(slot);
        }
        catch (StorageException error)
        {
            return new Content(CommitRecord.State.Unreadable, Error: error);
        }
    }

    /// <summary>Reads both slots.</summary>
    public Content[] Read() => [Read(0), Read(1)];

    /// <summary>The newest whole record; null: there is none.</summary>
    public static Content? Newest(IEnumerable<Content> slots) =>
        slots.Where(slot => slot.State == CommitRecord.State.Whole).MaxBy(slot => slot.Commit!.Sequence);

    public void Dispose() => _record.Dispose();

    private Content ReadRecord(int slot)
    {
        byte* record = (byte*)_record.Address;
        DeviceIo.Transfer(_device, BlockOperation.Read, Offset(slot), record, NativeBuffer.AlignmentBytes);
        CommitRecord.State state = CommitRecord.ReadHead(new ReadOnlySpan<byte>(record, CommitRecord.HeadBytes), _geometry, _storeId, out CommitRecord.Head head);
        if (state != CommitRecord.State.Whole)
        {
            return new Content(state);
        }

        int sizeBytes = (int)CommitRecord.SizeBytes(_geometry, head.RunStateBytes);
        DeviceIo.Transfer(_device, BlockOperation.Read, Offset(slot), record, TileLayout.Pad(sizeBytes));
        var table = new TileTable(_geometry);
        var whole = new ReadOnlySpan<byte>(record, sizeBytes);
        state = CommitRecord.ReadTable(whole, head, _geometry.Description.Generations, table);
        if (state != CommitRecord.State.Whole || SlotOf(head.Sequence) != slot)
        {
            return new Content(CommitRecord.State.Damaged);
        }

        var commit = new StoreCommit(head.Sequence, head.Step, whole.Slice(CommitRecord.HeadBytes, head.RunStateBytes).ToArray());
        return new Content(state, commit, head.IsInPlace, table);
    }

    private long Offset(int slot) => _geometry.CommitSlotsOffsetBytes + (slot * _geometry.CommitSlotBytes);
}
