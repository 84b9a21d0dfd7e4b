using System.Buffers.Binary;
using System.IO.Hashing;

namespace Offload.Storage.States;

/// <summary>
/// What each file of a store says of itself, in its last two blocks: which member of which store it is. Behind the data and not before it, so
/// that offsets in the file are offsets of the member.
/// </summary>
/// <param name="StoreId">The same in every member, and in the store's first block.</param>
/// <param name="Member">Index of this one.</param>
/// <param name="FileBytes">Size of this file.</param>
/// <param name="StripeBytes">Width of each member's stripes; one for each member.</param>
internal sealed record StoreLabel(UInt128 StoreId, int Member, long FileBytes, IReadOnlyList<int> StripeBytes)
{
    /// <summary>Size of a copy.</summary>
    public const int CopyBytes = 4096;

    /// <summary>Both copies: what a file is longer than its data.</summary>
    public const int SizeBytes = 2 * CopyBytes;

    /// <summary>More folders than any machine has drives.</summary>
    public const int MaxMembers = 64;

    /// <summary>The format that is written, and the only one that is read.</summary>
    public const uint FormatVersion = 1;

    // "OFLDFILE" as it stands in the file.
    private const ulong Magic = 0x454C_4946_444C_464F;
    private const int WidthsOffset = 48;
    private const int HashOffset = CopyBytes - sizeof(ulong);

    /// <summary>Where a copy lies in a file.</summary>
    public static long OffsetBytes(long fileBytes, int copy) => fileBytes - SizeBytes + (copy * CopyBytes);

    /// <summary>Whole stripes in this file; null: it has not a whole number of them.</summary>
    public long? NumRounds => (FileBytes - SizeBytes) % StripeBytes[Member] == 0 ? (FileBytes - SizeBytes) / StripeBytes[Member] : null;

    /// <summary>Writes both copies.</summary>
    public void Write(Span<byte> label)
    {
        Span<byte> copy = label[..CopyBytes];
        copy.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(copy, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(copy[8..], FormatVersion);
        BinaryPrimitives.WriteInt32LittleEndian(copy[12..], Member);
        BinaryPrimitives.WriteUInt128LittleEndian(copy[16..], StoreId);
        BinaryPrimitives.WriteInt64LittleEndian(copy[32..], FileBytes);
        BinaryPrimitives.WriteInt32LittleEndian(copy[40..], StripeBytes.Count);
        for (int member = 0; member < StripeBytes.Count; member++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(copy[(WidthsOffset + (member * sizeof(int)))..], StripeBytes[member]);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(copy[HashOffset..], XxHash3.HashToUInt64(copy[..HashOffset]));
        copy.CopyTo(label[CopyBytes..]);
    }

    /// <summary>Reads a label.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="label">Both copies.</param>
    /// <param name="damagedCopy">The copy that is damaged, or -1.</param>
    /// <exception cref="StoreMismatchException">Neither copy is a label, or they are of another version.</exception>
    public static StoreLabel Read(string path, ReadOnlySpan<byte> label, out int damagedCopy)
    {
        StoreLabel? found = TryRead(label, out damagedCopy, out uint? otherVersion);
        if (found is null && otherVersion is { } other)
        {
            throw new StoreMismatchException(
                path, $"a file of a state store of format version {other}; expected version {FormatVersion}", "Use the version of the program that made it.");
        }

        return found ?? throw new StoreMismatchException(
            path, "not a file of a state store, or truncated, or both copies of its label (its last 8192 bytes) are damaged");
    }

    /// <summary>Reads a label; null: neither copy is one.</summary>
    /// <param name="label">Both copies.</param>
    /// <param name="damagedCopy">The copy that is damaged, the last one if both are, or -1.</param>
    /// <param name="otherVersion">The version of a copy that is of another one, or null.</param>
    public static StoreLabel? TryRead(ReadOnlySpan<byte> label, out int damagedCopy, out uint? otherVersion)
    {
        StoreLabel? found = null;
        otherVersion = null;
        damagedCopy = -1;
        for (int index = 0; index < 2; index++)
        {
            ReadOnlySpan<byte> copy = label.Slice(index * CopyBytes, CopyBytes);
            uint version = BinaryPrimitives.ReadUInt32LittleEndian(copy[8..]);
            if (BinaryPrimitives.ReadUInt64LittleEndian(copy) == Magic && version != FormatVersion)
            {
                otherVersion = version;
            }

            StoreLabel? parsed = Parse(copy);
            damagedCopy = parsed is null ? index : damagedCopy;
            found ??= parsed;
        }

        return found;
    }

    private static StoreLabel? Parse(ReadOnlySpan<byte> copy)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(copy) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(copy[8..]) != FormatVersion
            || BinaryPrimitives.ReadUInt64LittleEndian(copy[HashOffset..]) != XxHash3.HashToUInt64(copy[..HashOffset]))
        {
            return null;
        }

        int member = BinaryPrimitives.ReadInt32LittleEndian(copy[12..]);
        int numMembers = BinaryPrimitives.ReadInt32LittleEndian(copy[40..]);
        if (numMembers is < 1 or > MaxMembers || member < 0 || member >= numMembers)
        {
            return null;
        }

        int[] stripeBytes = new int[numMembers];
        for (int index = 0; index < numMembers; index++)
        {
            stripeBytes[index] = BinaryPrimitives.ReadInt32LittleEndian(copy[(WidthsOffset + (index * sizeof(int)))..]);
            if (stripeBytes[index] <= 0 || stripeBytes[index] % CopyBytes != 0)
            {
                return null;
            }
        }

        return new StoreLabel(
            BinaryPrimitives.ReadUInt128LittleEndian(copy[16..]), member, BinaryPrimitives.ReadInt64LittleEndian(copy[32..]), stripeBytes);
    }
}
