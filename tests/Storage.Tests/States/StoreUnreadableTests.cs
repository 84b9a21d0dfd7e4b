using System.Text.Json;
using Offload.Storage.Devices;
using Offload.Storage.States;
using Offload.Tests.Infrastructure.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

/// <summary>Sectors that cannot be read, once or for good, and bits that flip on the way.</summary>
public sealed class StoreUnreadableTests : IDisposable
{
    private static readonly StoreGeometry Geometry = StoreGeometry.Of(Small());

    private readonly TemporaryFolder _folder = new();
    private readonly MemoryDevice _memory = DeviceFor(Small());

    public void Dispose()
    {
        _memory.Dispose();
        _folder.Dispose();
    }

    public static TheoryData<string> Faults => ["EIO", "flipped bit"];

    [Theory]
    [MemberData(nameof(Faults))]
    public void OpenWithFallBack_OneReadGoesWrongOnce_NeverGivesUpACommit(string kind)
    {
        Make(numCommits: 2);
        var counting = new FaultInjectingDevice(new KeptDevice(_memory), new FaultPlan());
        StateStore.Open(counting, new StoreOptions { FallBack = true, BlockBytes = 8192 }).Dispose();
        Assert.True(counting.NumOperations > 12, $"{counting.NumOperations} operations");
        int numOpened = 0;
        for (long index = 0; index < counting.NumOperations; index++)
        {
            Fault fault = kind == "EIO" ? Fault.Error(5) : Fault.FlippedBit((index * 7919) + 3);
            try
            {
                using StateStore store = StateStore.Open(
                    new FaultInjectingDevice(new KeptDevice(_memory), new FaultPlan().At(index, fault, FaultTarget.Read)), new StoreOptions { FallBack = true, BlockBytes = 8192 });
                Assert.Equal(2, store.LastCommit!.Step);
                numOpened++;
            }
            catch (StorageException)
            {
            }

            using StateStore again = StateStore.Open(new KeptDevice(_memory));
            Assert.Equal(2, again.LastCommit!.Step);
            Assert.Null(FindDifference(again, _ => 2, _ => 1));
        }

        Assert.Equal(counting.NumOperations, numOpened);
    }

    [Fact]
    public void Fallback_TileCannotBeRead_IsRefusedAndNothingIsGivenUp()
    {
        Make(numCommits: 2);
        using (StateStore store = StateStore.Open(new BadSectors(_memory).At(Geometry.MutableOffsetBytes(new TileId(0, 1), copy: 1), 4096)))
        {
            var error = Assert.Throws<StorageException>(() => store.Fallback(TestContext.Current.CancellationToken));

            Assert.Contains("step 2: unit 'embedding', tile 1 cannot be read", error.Message, StringComparison.Ordinal);
            Assert.Contains("EIO (5)", error.Message, StringComparison.Ordinal);
        }

        using StateStore again = StateStore.Open(new KeptDevice(_memory));
        Assert.Equal(2, again.LastCommit!.Step);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Open_OneCopyCannotBeRead_UsesTheOtherAndMendsIt(int copy)
    {
        Make(numCommits: 1);
        byte[] before = _memory.Contents.AsSpan<byte>(0, (int)Geometry.CommitSlotsOffsetBytes).ToArray();
        BadSectors device = new BadSectors(_memory).At(copy * StorePreamble.SizeBytes).At(Geometry.HeaderOffsetBytes + (copy * Geometry.HeaderPaddedBytes));
        List<string> warnings = [];
        using (StateStore store = StateStore.Open(device, new StoreOptions { Warn = warnings.Add }))
        {
            Assert.Null(FindDifference(store, _ => 1, _ => 1));
            Assert.Equal(2, warnings.Count(warning => warning.Contains($"copy {copy} of the store's", StringComparison.Ordinal) && warning.Contains("EIO (5)", StringComparison.Ordinal)));
        }

        StateStore.Open(device, new StoreOptions { FallBack = true }).Dispose();
        warnings.Clear();
        StateStore.Open(device, new StoreOptions { Warn = warnings.Add }).Dispose();
        Assert.Empty(warnings);
        Assert.Equal(before, _memory.Contents.AsSpan<byte>(0, before.Length).ToArray());
    }

    [Fact]
    public void Open_BothCopiesUnreadable_IsAnErrorOfTheDevice()
    {
        Make(numCommits: 1);
        foreach (long offset in (long[])[0, Geometry.HeaderOffsetBytes])
        {
            long sizeBytes = offset == 0 ? StorePreamble.SizeBytes : Geometry.HeaderPaddedBytes;
            Assert.Contains(
                "EIO (5)", Assert.Throws<StorageException>(() => StateStore.Open(new BadSectors(_memory).At(offset).At(offset + sizeBytes))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Open_OneCopyOfALabelUnreadable_UsesTheOther()
    {
        MakeFiles();
        for (int copy = 0; copy < 2; copy++)
        {
            List<string> warnings = [];
            var options = new StoreFilesOptions
            {
                Store = new StoreOptions { Warn = warnings.Add },
                Wrap = file => new FaultInjectingDevice(file, new FaultPlan().At(copy, Fault.Error(5), FaultTarget.Read)),
            };
            using StateStore store = StoreFiles.Open([_folder.Path], options);

            Assert.Contains(warnings, warning => warning.Contains($"copy {copy} of the file's label cannot be read", StringComparison.Ordinal));
            Assert.Contains(store.Verify(null, TestContext.Current.CancellationToken).Notes, note => note.Contains("label", StringComparison.Ordinal));
        }

        var both = new StoreFilesOptions { Wrap = file => new FaultInjectingDevice(file, new FaultPlan().At(0, Fault.Error(5), FaultTarget.Read, count: 2)) };
        Assert.Contains("EIO (5)", Assert.Throws<StorageException>(() => StoreFiles.Open([_folder.Path], both)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1)] // The last commit, of step 2, is in slot 0.
    [InlineData(1, 2)]
    public void Open_CommitRecordUnreadable_IsRefusedUnlessRepaired(int slot, int step)
    {
        Make(numCommits: 2);
        BadSectors device = new BadSectors(_memory).At(Geometry.CommitSlotsOffsetBytes + (slot * Geometry.CommitSlotBytes));

        var error = Assert.Throws<StorageException>(() => StateStore.Open(device));
        Assert.Equal(StateStore.OpenOperation, error.Operation);
        Assert.Contains($"the commit record in slot {slot} cannot be read, and may be the newer one", error.Message, StringComparison.Ordinal);

        List<string> warnings = [];
        using (StateStore store = StateStore.Open(device, new StoreOptions { FallBack = true, Warn = warnings.Add }))
        {
            Assert.Equal(step, store.LastCommit!.Step);
            Assert.Contains(warnings, warning => warning.Contains($"goes on from step {step}", StringComparison.Ordinal));
            Assert.Null(FindDifference(store, _ => step, _ => 1));
        }

        // Erased: should the sector be readable again, the record does not count.
        using StateStore again = StateStore.Open(new KeptDevice(_memory));
        Assert.Equal(step, again.LastCommit!.Step);
        WriteAll(again, version: 7);
        again.Commit(9, []);
        Assert.Null(FindDifference(again, _ => 7, _ => 1));
    }

    [Fact]
    public void Mend_DescriptionWrittenByAnother_KeepsItsBytes()
    {
        // As another writer may have put it: with a space in front.
        Make(numCommits: 1);
        byte[] header = [(byte)' ', .. StoreHeader.Write(Small())];
        Assert.Equal(TileLayout.Pad(header.Length), Geometry.HeaderPaddedBytes);
        StorePreamble preamble = StoreFormat.Read(_memory).Preamble with { HeaderBytes = header.Length, HeaderHash = System.IO.Hashing.XxHash3.HashToUInt64(header) };
        for (int copy = 0; copy < 2; copy++)
        {
            preamble.Write(_memory.Contents.AsSpan<byte>(copy * StorePreamble.SizeBytes, StorePreamble.SizeBytes));
            header.CopyTo(_memory.Contents.AsSpan<byte>(Geometry.HeaderOffsetBytes + (copy * Geometry.HeaderPaddedBytes), header.Length));
        }

        byte[] before = _memory.Contents.AsSpan<byte>(0, (int)Geometry.CommitSlotsOffsetBytes).ToArray();
        _memory.Contents.AsSpan<byte>(Geometry.HeaderOffsetBytes + 9, 1)[0] ^= 1;

        StateStore.Open(new KeptDevice(_memory), new StoreOptions { FallBack = true }).Dispose();

        Assert.Equal(before, _memory.Contents.AsSpan<byte>(0, before.Length).ToArray());
    }

    [Fact]
    public void Fallback_OtherRecordDamaged_SaysWhich()
    {
        Make(numCommits: 2);
        _memory.Contents.AsSpan<byte>(Geometry.CommitSlotsOffsetBytes + 40, 1)[0] ^= 1; // The newer one.
        _memory.Contents.AsSpan<byte>(Geometry.MutableOffsetBytes(new TileId(0, 0), copy: 0) + 5, 1)[0] ^= 1;

        using StateStore store = StateStore.Open(new KeptDevice(_memory));
        Assert.Equal(1, store.LastCommit!.Step);
        Assert.Contains(
            "the other commit record, in slot 0, of the step before or after it, is damaged",
            Assert.Throws<StoreMismatchException>(() => store.Fallback(TestContext.Current.CancellationToken)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Open_RecordWithTheLastSequenceNumber_IsDamaged()
    {
        Make(numCommits: 1);
        using (var slots = new CommitSlots(_memory, Geometry, StoreFormat.Read(_memory).Preamble.StoreId))
        {
            slots.Write(new StoreCommit(long.MaxValue, 5, default), isInPlace: false, new TileTable(Geometry));
        }

        using StateStore store = StateStore.Open(new KeptDevice(_memory));
        Assert.Null(store.LastCommit);
    }

    [Fact]
    public void Verify_SingleGenerationWrittenTo_IsRefused()
    {
        StoreDescription description = Small(generations: 1);
        using MemoryDevice memory = DeviceFor(description);
        using StateStore store = StateStore.Create(new KeptDevice(memory), description);
        WriteAll(store, version: 1);
        store.Commit(1, []);
        Write(store, new TileId(0, 0), version: 2);

        Assert.Throws<InvalidOperationException>(() => store.Verify(null, TestContext.Current.CancellationToken));
        store.Commit(2, []);
        Assert.True(store.Verify(null, TestContext.Current.CancellationToken).IsIntact);
    }

    [Fact]
    public void TryReadSummary_SingleGenerationInsideAStep_SaysSo()
    {
        using StateStore store = StoreFiles.Create([_folder.Path], Small(generations: 1));
        WriteAll(store, version: 1);
        store.Commit(1, []);
        Assert.False(StoreFiles.TryReadSummary([_folder.Path])!.IsInPlace);

        Write(store, new TileId(0, 0), version: 2);

        Assert.True(StoreFiles.TryReadSummary([_folder.Path])!.IsInPlace);
    }

    [Theory]
    [InlineData("""{"a":1,"a":2}""")]
    [InlineData(null)]
    public void Create_DescriptionThatCouldNotBeReadAgain_IsRefused(string? owner)
    {
        owner ??= string.Concat(Enumerable.Repeat("{\"a\":", 64)) + "1" + new string('}', 64);
        StoreDescription description = Small() with { Owner = JsonDocument.Parse(owner, new JsonDocumentOptions { MaxDepth = 100 }).RootElement };

        Assert.Contains("could not be read again", Assert.Throws<ArgumentException>(() => StoreGeometry.Of(description)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => StoreFiles.Create([_folder["a"]], description));
        Assert.Empty(_folder.Names);
    }

    private void Make(int numCommits)
    {
        using StateStore store = StateStore.Create(new KeptDevice(_memory), Small());
        for (int version = 1; version <= numCommits; version++)
        {
            WriteAll(store, version);
            store.Commit(version, []);
        }
    }

    private void MakeFiles()
    {
        using StateStore store = StoreFiles.Create([_folder.Path], Small());
        WriteAll(store, version: 1);
        store.Commit(1, []);
    }
}
