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
    /// <param name="DamagedCopies">What was got round.</param>
    public sealed record Opened(StorePreamble Preamble, StoreGeometry Geometry, IReadOnlyList<DamagedCopy> DamagedCopies)
    {
        /// <summary>What was got round: a line for each damaged copy.</summary>
        public IReadOnlyList<string> Damage => [.. DamagedCopies.Select(copy => copy.Note)];
    }

    /// <summary>One of two copies that is damaged.</summary>
    /// <param name="Note">A line about it.</param>
    /// <param name="OffsetBytes">Where it lies.</param>
    /// <param name="Contents">The other copy, as it was read: what belongs there.</param>
    public sealed record DamagedCopy(string Note, long OffsetBytes, byte[] Contents);

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

    /// <summary>Writes damaged copies anew, without a flush.</summary>
    /// <exception cref="StorageException">The device reported an error.</exception>
    public static void Mend(IBlockDevice device, Opened opened)
    {
        foreach (DamagedCopy copy in opened.DamagedCopies)
        {
            using var buffer = new NativeBuffer(copy.Contents.Length);
            copy.Contents.CopyTo(buffer.AsSpan<byte>(0, copy.Contents.Length));
            DeviceIo.Transfer(device, BlockOperation.Write, copy.OffsetBytes, (byte*)buffer.Address, copy.Contents.Length);
        }
    }

    /// <summary>Reads both. Where the device cannot read one of two copies the other one is used, as where one is damaged.</summary>
    /// <exception cref="StoreMismatchException">No store is there, or one of another version, or both copies are damaged.</exception>
    /// <exception cref="StorageException">The device could not read a copy, and the other one is damaged or could not be read either.</exception>
    public static Opened Read(IBlockDevice device)
    {
        List<DamagedCopy> damaged = [];
        StorePreamble preamble = ReadPreamble(device, damaged);
        int paddedBytes = (int)TileLayout.Pad(preamble.HeaderBytes);
        using var copies = new CopyPair(device, 2 * StorePreamble.SizeBytes, paddedBytes);
        int whole = XxHash3.HashToUInt64(copies[0][..preamble.HeaderBytes]) == preamble.HeaderHash ? 0 : 1;
        if (XxHash3.HashToUInt64(copies[whole][..preamble.HeaderBytes]) != preamble.HeaderHash)
        {
            throw copies.Error ?? (Exception)new StoreMismatchException(device.Path, "both copies of the store's description are damaged");
        }

        if (whole == 1 || XxHash3.HashToUInt64(copies[1][..preamble.HeaderBytes]) != preamble.HeaderHash)
        {
            damaged.Add(copies.Damaged(1 - whole, "the store's description"));
        }

        StoreDescription description = StoreHeader.Parse(device.Path, copies[whole][..preamble.HeaderBytes].ToArray());
        var geometry = new StoreGeometry(description, preamble.HeaderBytes);
        CheckSize(device, preamble, geometry);
        return new Opened(preamble, geometry, damaged);
    }

    private static StorePreamble ReadPreamble(IBlockDevice device, List<DamagedCopy> damaged)
    {
        if (device.SizeBytes < 2 * StorePreamble.SizeBytes)
        {
            throw new StoreMismatchException(device.Path, $"not a state store: expected at least {2 * StorePreamble.SizeBytes} bytes, found {device.SizeBytes}", NotAStoreHint);
        }

        using var copies = new CopyPair(device, offsetBytes: 0, StorePreamble.SizeBytes);
        StorePreamble? found = null;
        uint? otherVersion = null;
        for (int copy = 0; copy < 2; copy++)
        {
            StorePreamble.State state = StorePreamble.Read(copies[copy], out StorePreamble preamble, out uint version);
            if (state == StorePreamble.State.Whole)
            {
                found ??= preamble;
            }
            else
            {
                damaged.Add(copies.Damaged(copy, "the store's first block"));
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
            : copies.Error ?? (Exception)new StoreMismatchException(device.Path, "not a state store, or both copies of its first block are damaged", NotAStoreHint);
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

    /// <summary>Two copies, one behind the other, each read by itself: a sector that cannot be read is damage of one of them.</summary>
    private sealed class CopyPair : IDisposable
    {
        private readonly NativeBuffer _buffer;
        private readonly long _offsetBytes;
        private readonly int _sizeBytes;
        private readonly StorageException?[] _errors = new StorageException?[2];

        public CopyPair(IBlockDevice device, long offsetBytes, int sizeBytes)
        {
            _offsetBytes = offsetBytes;
            _sizeBytes = sizeBytes;
            _buffer = new NativeBuffer(2L * sizeBytes);
            for (int copy = 0; copy < _errors.Length; copy++)
            {
                _errors[copy] = DeviceIo.TryRead(device, offsetBytes + ((long)copy * sizeBytes), (byte*)_buffer.Address + ((long)copy * sizeBytes), sizeBytes);
            }
        }

        /// <summary>An error of the device; null: there was none.</summary>
        public StorageException? Error => _errors[0] ?? _errors[1];

        /// <summary>A copy; zeros where it could not be read.</summary>
        public ReadOnlySpan<byte> this[int copy] => _buffer.AsSpan<byte>((long)copy * _sizeBytes, _sizeBytes);

        public DamagedCopy Damaged(int copy, string what) =>
            new(DeviceIo.Describe(copy, what, _errors[copy]), _offsetBytes + ((long)copy * _sizeBytes), this[1 - copy].ToArray());

        public void Dispose() => _buffer.Dispose();
    }
}
