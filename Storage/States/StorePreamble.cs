using System.Buffers.Binary;
using System.IO.Hashing;

namespace Offload.Storage.States;

/// <summary>The first block of a store: which format, which store, where its description is.</summary>
/// <param name="StoreId">Random; every commit record carries it, so that remains of another store are never taken for this one's.</param>
/// <param name="HeaderBytes">Size of the description, without padding.</param>
/// <param name="HeaderHash">XxHash3 of the description.</param>
/// <param name="StoreBytes">Size of the whole store.</param>
internal readonly record struct StorePreamble(UInt128 StoreId, int HeaderBytes, ulong HeaderHash, long StoreBytes)
{
    /// <summary>Size of a copy; the two lie one after the other at offset 0.</summary>
    public const int SizeBytes = 4096;

    /// <summary>The format that is written, and the only one that is read.</summary>
    public const uint FormatVersion = 1;

    /// <summary>What a block turned out to be.</summary>
    public enum State
    {
        /// <summary>A preamble.</summary>
        Whole,

        /// <summary>A preamble of another format.</summary>
        OtherVersion,

        /// <summary>Not a preamble, or damaged.</summary>
        Damaged,
    }

    // "OFLDSTAT" as it stands in the file.
    private const ulong Magic = 0x5441_5453_444C_464F;
    private const int HashOffset = SizeBytes - sizeof(ulong);

    /// <summary>Writes a copy.</summary>
    public void Write(Span<byte> block)
    {
        block = block[..SizeBytes];
        block.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(block, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(block[8..], FormatVersion);
        BinaryPrimitives.WriteInt32LittleEndian(block[12..], HeaderBytes);
        BinaryPrimitives.WriteUInt128LittleEndian(block[16..], StoreId);
        BinaryPrimitives.WriteUInt64LittleEndian(block[32..], HeaderHash);
        BinaryPrimitives.WriteInt64LittleEndian(block[40..], StoreBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(block[HashOffset..], XxHash3.HashToUInt64(block[..HashOffset]));
    }

    /// <summary>Reads a copy. The version is looked at before the checksum: another format may have another one.</summary>
    public static State Read(ReadOnlySpan<byte> block, out StorePreamble preamble, out uint version)
    {
        block = block[..SizeBytes];
        preamble = default;
        version = BinaryPrimitives.ReadUInt32LittleEndian(block[8..]);
        if (BinaryPrimitives.ReadUInt64LittleEndian(block) != Magic)
        {
            return State.Damaged;
        }

        if (version != FormatVersion)
        {
            return State.OtherVersion;
        }

        if (BinaryPrimitives.ReadUInt64LittleEndian(block[HashOffset..]) != XxHash3.HashToUInt64(block[..HashOffset]))
        {
            return State.Damaged;
        }

        preamble = new StorePreamble(
            BinaryPrimitives.ReadUInt128LittleEndian(block[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(block[12..]),
            BinaryPrimitives.ReadUInt64LittleEndian(block[32..]),
            BinaryPrimitives.ReadInt64LittleEndian(block[40..]));
        return State.Whole;
    }
}
