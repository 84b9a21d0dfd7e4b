using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.Safetensors;
using Offload.Storage.States;

namespace Offload.Tests.Infrastructure.States;

/// <summary>A small store with two commits, broken anew by every case.</summary>
internal sealed class StoreFuzzTarget : IDisposable
{
    public const int NumKinds = 8;
    public const int SafetensorsKind = 3;

    // Starts a thread, and reads everything: less often.
    private const int OneInOpensWhole = 16;

    private const int SpareBytes = 256 << 10;
    private const int PreambleHashOffset = StorePreamble.SizeBytes - sizeof(ulong);

    private static readonly byte[] SafetensorsJson = Encoding.UTF8.GetBytes(
        """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}}""");

    private readonly MemoryDevice _device;
    private readonly NativeBuffer _valid;
    private readonly StoreGeometry _geometry;
    private readonly byte[] _header;
    private readonly UInt128 _storeId;

    public StoreFuzzTarget()
    {
        var description = new StoreDescription
        {
            Units = [new StateUnit("layer", 100, [new("high", ElementType.BF16), new("scale", ElementType.F32, 64), new("codes", ElementType.U8, IsMutable: false)])],
            TileParameters = 4096,
            Owner = StorePatterns.Owner,
        };
        _geometry = StoreGeometry.Of(description);
        _header = StoreHeader.Write(description);
        _device = new MemoryDevice(_geometry.SizeBytes + SpareBytes);
        using (StateStore store = StateStore.Create(new KeptDevice(_device), description))
        {
            _storeId = store.StoreId;
            for (int step = 1; step <= 2; step++)
            {
                StorePatterns.WriteAll(store, step);
                store.Commit(step, "{}"u8);
            }
        }

        _valid = new NativeBuffer(_device.SizeBytes);
        All(_device.Contents).CopyTo(All(_valid));
    }

    private Span<byte> Image => All(_device.Contents);

    public void Dispose()
    {
        _device.Dispose();
        _valid.Dispose();
    }

    /// <exception cref="StoreMismatchException">The case was refused.</exception>
    /// <exception cref="UnreadableInputException">A case of safetensors was refused.</exception>
    public void Run(Random random, int kind)
    {
        switch (kind)
        {
            case 0:
                ReadLabels(random);
                break;
            case SafetensorsKind:
                byte[] json = Mutations.Text(SafetensorsJson, random);
                SafetensorsHeaderParser.Parse("x", json, random.Next(4) == 0 ? random.NextInt64() : 8 + json.Length + 12);
                break;
            default:
                All(_valid).CopyTo(Image);
                Break(random, kind);
                Open(random);
                break;
        }
    }

    private static Span<byte> All(NativeBuffer buffer) => buffer.AsSpan<byte>(0, (int)buffer.SizeBytes);

    /// <summary>Labels of some files, some of them broken; those that can be read are put in order.</summary>
    private static void ReadLabels(Random random)
    {
        int[] widths = [4096, 8192, 4096];
        var files = new List<MemberOrder.Labelled>();
        int numFiles = random.Next(1, 5);
        Span<byte> label = stackalloc byte[StoreLabel.SizeBytes];
        for (int index = 0; index < numFiles; index++)
        {
            int member = (index + random.Next(8) / 7) % widths.Length;
            new StoreLabel(17, member, (7L * widths[member]) + StoreLabel.SizeBytes, widths).Write(label);
            if (numFiles == 1 || random.Next(3) == 0)
            {
                for (int copy = 0; copy < 2; copy++)
                {
                    Span<byte> block = label.Slice(copy * StoreLabel.CopyBytes, StoreLabel.CopyBytes);
                    Mutations.Bytes(block, random);
                    FixHash(block, random);
                }
            }

            StoreLabel found = StoreLabel.Read("x", label, out _);
            if (found.Member < 0 || found.Member >= found.StripeBytes.Count || found.StripeBytes.Any(width => width <= 0))
            {
                throw new InvalidOperationException($"a label without sense was read: {found}");
            }

            files.Add(new MemberOrder.Labelled($"file {index}", found));
        }

        int[] order = MemberOrder.Of(files);
        if (order.Length != files.Count
            || !order.Select((place, member) => files[place].Label.Member == member).All(isRight => isRight)
            || (files.Count > 1 && files.Any(file => file.Label.NumRounds is not > 0)))
        {
            throw new InvalidOperationException("files without sense were taken for a store");
        }
    }

    private static void FixHash(Span<byte> block, Random random)
    {
        if (random.Next(5) != 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(block[PreambleHashOffset..], XxHash3.HashToUInt64(block[..PreambleHashOffset]));
        }
    }

    private void Break(Random random, int kind)
    {
        if (kind is 1 or 2)
        {
            BreakPreambles(random);
        }
        else if (kind is 4 or 5)
        {
            BreakHeader(random);
        }
        else
        {
            BreakRecord(random, slot: 0);
            if (kind == 7)
            {
                BreakRecord(random, slot: 1);
            }
        }
    }

    private void BreakPreambles(Random random)
    {
        for (int copy = random.Next(2); copy < 2; copy++)
        {
            Span<byte> block = Image.Slice(copy * StorePreamble.SizeBytes, StorePreamble.SizeBytes);
            Mutations.Bytes(block, random);
            FixHash(block, random);
        }
    }

    /// <summary>Another description, with all checksums and sizes that go with it.</summary>
    private void BreakHeader(Random random)
    {
        byte[] header = Mutations.Text(_header, random);
        long storeBytes = _geometry.SizeBytes;
        if (random.Next(2) == 0)
        {
            try
            {
                storeBytes = new StoreGeometry(StoreHeader.Parse("x", header), header.Length).SizeBytes;
            }
            catch (StoreMismatchException)
            {
                // It will be again, by the one that is tested.
            }
        }

        var preamble = new StorePreamble(_storeId, header.Length, XxHash3.HashToUInt64(header), storeBytes);
        preamble.Write(Image);
        preamble.Write(Image[StorePreamble.SizeBytes..]);
        int paddedBytes = (int)TileLayout.Pad(header.Length);
        header.CopyTo(Image[(2 * StorePreamble.SizeBytes)..]);
        header.CopyTo(Image[((2 * StorePreamble.SizeBytes) + paddedBytes)..]);
    }

    private void BreakRecord(Random random, int slot)
    {
        Span<byte> record = Image.Slice((int)(_geometry.CommitSlotsOffsetBytes + (slot * _geometry.CommitSlotBytes)), (int)_geometry.CommitSlotBytes);
        int sizeBytes = (int)CommitRecord.SizeBytes(_geometry, 2);
        Mutations.Bytes(record[..sizeBytes], random);
        if (random.Next(5) == 0)
        {
            return;
        }

        int runStateBytes = BinaryPrimitives.ReadInt32LittleEndian(record[52..]);
        sizeBytes = runStateBytes is >= 0 and <= CommitRecord.MaxRunStateBytes ? (int)CommitRecord.SizeBytes(_geometry, runStateBytes) : sizeBytes;
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], XxHash3.HashToUInt64(record[16..sizeBytes]));
    }

    private void Open(Random random)
    {
        if (random.Next(OneInOpensWhole) == 0)
        {
            using StateStore store = StateStore.Open(new KeptDevice(_device), new StoreOptions { FallBack = random.Next(2) == 0 });
            if (store.LastCommit is not null)
            {
                store.Verify();
            }

            return;
        }

        StoreFormat.Opened format = StoreFormat.Read(_device);
        using var slots = new CommitSlots(_device, format.Geometry, format.Preamble.StoreId);
        CommitSlots.Newest(slots.Read());
    }
}
