using System.Buffers.Binary;
using System.IO.Hashing;

namespace Offload.Storage.States;

/// <summary>A commit record: a head of fixed size, the run state, the table of tiles. One checksum covers all of it but itself.</summary>
internal static class CommitRecord
{
    public const int HeadBytes = 64;

    /// <summary>Largest run state: positions, counters, random states; not data.</summary>
    public const int MaxRunStateBytes = 64 << 10;

    // "OFLDCMIT" as it stands in the file.
    private const ulong Magic = 0x5449_4D43_444C_464F;
    private const int HashOffset = 8;
    private const int HashedOffset = 16;

    /// <summary>What a slot turned out to hold.</summary>
    public enum State
    {
        /// <summary>A record of this store.</summary>
        Whole,

        /// <summary>Nothing: never written, or erased.</summary>
        Empty,

        /// <summary>A record that is torn, damaged, or of another store.</summary>
        Damaged,

        /// <summary>The device reported an error.</summary>
        Unreadable,
    }

    /// <summary>The part of fixed size.</summary>
    /// <param name="StoreId">The store's.</param>
    /// <param name="Sequence">Counts records.</param>
    /// <param name="Step">The step after which the states are as they are.</param>
    /// <param name="IsInPlace">Single generation only: tiles are being overwritten, the states of this step may be gone.</param>
    /// <param name="RunStateBytes">Size of the run state.</param>
    public readonly record struct Head(UInt128 StoreId, long Sequence, long Step, bool IsInPlace, int RunStateBytes);

    /// <summary>Size of the table: a byte for each tile, padded to eight bytes, then the checksums.</summary>
    public static long TableBytes(long numTiles, long numHashes) => TablePrefixBytes(numTiles) + (numHashes * sizeof(ulong));

    /// <summary>Size of a record.</summary>
    public static long SizeBytes(StoreGeometry geometry, int runStateBytes) => HeadBytes + (long)runStateBytes + TableBytes(geometry.NumTiles, geometry.NumHashes);

    /// <summary>Writes a record.</summary>
    /// <param name="record">As long as the record.</param>
    /// <param name="head">Its beginning.</param>
    /// <param name="runState">As long as the head says.</param>
    /// <param name="table">Of all tiles.</param>
    public static void Write(Span<byte> record, Head head, ReadOnlySpan<byte> runState, TileTable table)
    {
        Span<byte> hashed = record[HashedOffset..];
        record[..HeadBytes].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(record, Magic);
        BinaryPrimitives.WriteUInt128LittleEndian(record[16..], head.StoreId);
        BinaryPrimitives.WriteInt64LittleEndian(record[32..], head.Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(record[40..], head.Step);
        BinaryPrimitives.WriteInt32LittleEndian(record[48..], head.IsInPlace ? 1 : 0);
        BinaryPrimitives.WriteInt32LittleEndian(record[52..], head.RunStateBytes);
        BinaryPrimitives.WriteInt64LittleEndian(record[56..], TableBytes(table.Copies.Length, table.Hashes.Length));
        runState.CopyTo(record[HeadBytes..]);
        Span<byte> tableBytes = record[(HeadBytes + head.RunStateBytes)..];
        int prefixBytes = (int)TablePrefixBytes(table.Copies.Length);
        tableBytes[..prefixBytes].Clear();
        table.Copies.CopyTo(tableBytes);
        for (int index = 0; index < table.Hashes.Length; index++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(tableBytes[(prefixBytes + (index * sizeof(ulong)))..], table.Hashes[index]);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(record[HashOffset..], XxHash3.HashToUInt64(hashed));
    }

    /// <summary>Reads the head, without its checksum, so that the size is known. Lengths are within what the geometry allows.</summary>
    /// <param name="record">At least a head.</param>
    /// <param name="geometry">Of the store.</param>
    /// <param name="storeId">Of the store.</param>
    /// <param name="head">What it says.</param>
    public static State ReadHead(ReadOnlySpan<byte> record, StoreGeometry geometry, UInt128 storeId, out Head head)
    {
        head = new Head(
            BinaryPrimitives.ReadUInt128LittleEndian(record[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(record[32..]),
            BinaryPrimitives.ReadInt64LittleEndian(record[40..]),
            BinaryPrimitives.ReadInt32LittleEndian(record[48..]) != 0,
            BinaryPrimitives.ReadInt32LittleEndian(record[52..]));
        if (BinaryPrimitives.ReadUInt64LittleEndian(record) != Magic || head.StoreId != storeId)
        {
            // Bits that flipped in either are damage, not absence; a slot never written is all zeros.
            return record[..HeadBytes].ContainsAnyExcept((byte)0) ? State.Damaged : State.Empty;
        }

        long tableBytes = BinaryPrimitives.ReadInt64LittleEndian(record[56..]);
        bool isPossible = head.RunStateBytes is >= 0 and <= MaxRunStateBytes
            && tableBytes == TableBytes(geometry.NumTiles, geometry.NumHashes)
            && head.Sequence is > 0 and < long.MaxValue // There is a next one.
            && BinaryPrimitives.ReadUInt32LittleEndian(record[48..]) <= 1;
        return isPossible ? State.Whole : State.Damaged;
    }

    /// <summary>Checks a whole record and reads its table.</summary>
    /// <param name="record">As long as the head says.</param>
    /// <param name="head">As read by <see cref="ReadHead"/>.</param>
    /// <param name="generations">Of the store.</param>
    /// <param name="table">Filled if the record is whole.</param>
    public static State ReadTable(ReadOnlySpan<byte> record, Head head, int generations, TileTable table)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(record[HashOffset..]) != XxHash3.HashToUInt64(record[HashedOffset..]))
        {
            return State.Damaged;
        }

        ReadOnlySpan<byte> tableBytes = record[(HeadBytes + head.RunStateBytes)..];
        ReadOnlySpan<byte> copies = tableBytes[..table.Copies.Length];
        if (copies.ContainsAnyExceptInRange((byte)0, (byte)(generations - 1)))
        {
            return State.Damaged;
        }

        copies.CopyTo(table.Copies);
        int prefixBytes = (int)TablePrefixBytes(table.Copies.Length);
        for (int index = 0; index < table.Hashes.Length; index++)
        {
            table.Hashes[index] = BinaryPrimitives.ReadUInt64LittleEndian(tableBytes[(prefixBytes + (index * sizeof(ulong)))..]);
        }

        return State.Whole;
    }

    private static long TablePrefixBytes(long numTiles) => (numTiles + 7) / 8 * 8;
}
