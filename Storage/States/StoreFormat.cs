using System.IO.Hashing;
using System.Security.Cryptography;
using Offload.Storage.Devices;
using Offload.Storage.Memory;

namespace Offload.Storage.States;

/// <summary>Writes and reads what stands before a store's commits: preamble and description, two copies of each. Blocks.</summary>
internal static unsafe class StoreFormat
{
    private const string NotAStoreHint = "Name the folders of a store, or make a new one.";

    /// <summary>What was read.</summary>
    /// <param name="Preamble">The preamble.</param>
    /// <param name="Geometry">With the description.</param>
    /// <param name="Damage">What was got round: a line for each damaged copy.</param>
    public sealed record Opened(StorePreamble Preamble, StoreGeometry Geometry, IReadOnlyList<string> Damage);

    /// <summary>A new store's name.</summary>
    public static UInt128 NewId()
    {
        UInt128 storeId = default;
        RandomNumberGenerator.Fill(new Span<byte>(&storeId, sizeof(UInt128)));
        return storeId;
    }

    /// <summary>Writes both, and makes both commit slots empty. Nothing is flushed: the first commit does that.</summary>
    public static Opened WriteNew(IBlockDevice device, StoreDescription description, UInt128 storeId)
    {
        StoreGeometry geometry = StoreGeometry.Of(description);
        if (device.SizeBytes < geometry.SizeBytes)
        {
            throw new StorageException(
                device.Path,
                $"make a store of {geometry.SizeBytes} bytes",
                $"the device has {device.SizeBytes} bytes, {geometry.SizeBytes - device.SizeBytes} are missing");
        }

        byte[] header = StoreHeader.Write(description);
        var preamble = new StorePreamble(storeId, header.Length, XxHash3.HashToUInt64(header), geometry.SizeBytes);
        WriteCopies(device, geometry, preamble, header);
        using var empty = new NativeBuffer(NativeBuffer.AlignmentBytes);
        for (int slot = 0; slot < 2; slot++)
        {
            DeviceIo.Transfer(
                device, BlockOperation.Write, geometry.CommitSlotsOffsetBytes + (slot * geometry.CommitSlotBytes), (byte*)empty.Address, empty.SizeBytes);
        }

        return new Opened(preamble, geometry, []);
    }

    /// <summary>Writes all copies anew, where some are damaged.</summary>
    public static void Mend(IBlockDevice device, Opened opened)
    {
        if (opened.Damage.Count > 0)
        {
            WriteCopies(device, opened.Geometry, opened.Preamble, StoreHeader.Write(opened.Geometry.Description));
        }
    }

    /// <summary>Reads both.</summary>
    /// <exception cref="StoreMismatchException">No store is there, or one of another version, or both copies are damaged.</exception>
    /// <exception cref="StorageException">The device reported an error.</exception>
    public static Opened Read(IBlockDevice device)
    {
        List<string> damage = [];
        StorePreamble preamble = ReadPreamble(device, damage);
        int paddedBytes = (int)TileLayout.Pad(preamble.HeaderBytes);
        using var buffer = new NativeBuffer(paddedBytes);
        for (int copy = 0; copy < 2; copy++)
        {
            DeviceIo.Transfer(device, BlockOperation.Read, (2 * StorePreamble.SizeBytes) + ((long)copy * paddedBytes), (byte*)buffer.Address, paddedBytes);
            ReadOnlySpan<byte> header = buffer.AsSpan<byte>(0, preamble.HeaderBytes);
            if (XxHash3.HashToUInt64(header) != preamble.HeaderHash)
            {
                damage.Add($"copy {copy} of the store's description is damaged");
                continue;
            }

            if (copy == 0)
            {
                CheckSecond(device, preamble, paddedBytes, damage);
            }

            StoreDescription description = StoreHeader.Parse(device.Path, header.ToArray());
            var geometry = new StoreGeometry(description, preamble.HeaderBytes);
            CheckSize(device, preamble, geometry);
            return new Opened(preamble, geometry, damage);
        }

        throw new StoreMismatchException(device.Path, "both copies of the store's description are damaged");
    }

    private static void CheckSecond(IBlockDevice device, StorePreamble preamble, int paddedBytes, List<string> damage)
    {
        using var buffer = new NativeBuffer(paddedBytes);
        DeviceIo.Transfer(device, BlockOperation.Read, (2 * StorePreamble.SizeBytes) + paddedBytes, (byte*)buffer.Address, paddedBytes);
        if (XxHash3.HashToUInt64(buffer.AsSpan<byte>(0, preamble.HeaderBytes)) != preamble.HeaderHash)
        {
            damage.Add("copy 1 of the store's description is damaged");
        }
    }

    private static StorePreamble ReadPreamble(IBlockDevice device, List<string> damage)
    {
        if (device.SizeBytes < 2 * StorePreamble.SizeBytes)
        {
            throw new StoreMismatchException(device.Path, $"not a state store: expected at least {2 * StorePreamble.SizeBytes} bytes, found {device.SizeBytes}", NotAStoreHint);
        }

        using var buffer = new NativeBuffer(2 * StorePreamble.SizeBytes);
        DeviceIo.Transfer(device, BlockOperation.Read, 0, (byte*)buffer.Address, buffer.SizeBytes);
        StorePreamble? found = null;
        uint? otherVersion = null;
        for (int copy = 0; copy < 2; copy++)
        {
            StorePreamble.State state = StorePreamble.Read(
                buffer.AsSpan<byte>(copy * StorePreamble.SizeBytes, StorePreamble.SizeBytes), out StorePreamble preamble, out uint version);
            if (state == StorePreamble.State.Whole)
            {
                found ??= preamble;
            }
            else
            {
                damage.Add($"copy {copy} of the store's first block is damaged");
                otherVersion = state == StorePreamble.State.OtherVersion ? version : otherVersion;
            }
        }

        if (found is { } whole)
        {
            long leastBytes = (2L * StorePreamble.SizeBytes) + (2 * TileLayout.Pad(whole.HeaderBytes));
            return whole.HeaderBytes is > 0 and <= StoreHeader.MaxBytes && leastBytes <= whole.StoreBytes && leastBytes <= device.SizeBytes
                ? whole
                : throw new StoreMismatchException(
                    device.Path, $"the store's first block is not one that this version writes: a description of {whole.HeaderBytes} bytes in a store of {whole.StoreBytes} on a device of {device.SizeBytes}");
        }

        throw otherVersion is { } other
            ? new StoreMismatchException(
                device.Path, $"a state store of format version {other}; expected version {StorePreamble.FormatVersion}", "Use the version of the program that made it.")
            : new StoreMismatchException(device.Path, "not a state store, or both copies of its first block are damaged", NotAStoreHint);
    }

    private static void CheckSize(IBlockDevice device, StorePreamble preamble, StoreGeometry geometry)
    {
        if (geometry.SizeBytes != preamble.StoreBytes)
        {
            throw new StoreMismatchException(
                device.Path, $"the store's description needs {geometry.SizeBytes} bytes, its first block says {preamble.StoreBytes}");
        }

        if (geometry.SizeBytes > device.SizeBytes)
        {
            throw new StoreMismatchException(
                device.Path, $"truncated: expected a store of {geometry.SizeBytes} bytes, found {device.SizeBytes}");
        }
    }

    private static void WriteCopies(IBlockDevice device, StoreGeometry geometry, StorePreamble preamble, byte[] header)
    {
        using var buffer = new NativeBuffer((2 * StorePreamble.SizeBytes) + (2L * geometry.HeaderPaddedBytes));
        preamble.Write(buffer.AsSpan<byte>(0, StorePreamble.SizeBytes));
        preamble.Write(buffer.AsSpan<byte>(StorePreamble.SizeBytes, StorePreamble.SizeBytes));
        header.CopyTo(buffer.AsSpan<byte>(geometry.HeaderOffsetBytes, header.Length));
        header.CopyTo(buffer.AsSpan<byte>(geometry.HeaderOffsetBytes + geometry.HeaderPaddedBytes, header.Length));
        DeviceIo.Transfer(device, BlockOperation.Write, 0, (byte*)buffer.Address, buffer.SizeBytes);
    }
}
