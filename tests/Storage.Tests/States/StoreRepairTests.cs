using System.Text.Json;
using Offload.Storage.Devices;
using Offload.Storage.States;
using Offload.Tests.Infrastructure.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed class StoreRepairTests : IDisposable
{
    private readonly MemoryDevice _memory = DeviceFor(Small());

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Open_OneBitOfAnyBlockFlipped_IsFoundAndNamed()
    {
        StoreGeometry geometry = StoreGeometry.Of(Small());
        Make(numCommits: 2);
        int numStates = 0;
        int numNotes = 0;
        for (long offset = 17; offset < geometry.SizeBytes; offset += 512)
        {
            Flip(offset);
            List<string> warnings = [];
            using (StateStore store = StateStore.Open(new KeptDevice(_memory), new StoreOptions { Warn = warnings.Add }))
            {
                VerifyReport report = store.Verify(null, TestContext.Current.CancellationToken);
                Assert.Equal(warnings, report.Notes);
                numNotes += warnings.Count;
                numStates += report.Damage.Count;
                if (report.Damage.Count > 0)
                {
                    TileDamage damage = Assert.Single(report.Damage);
                    Assert.InRange(offset, damage.OffsetBytes, damage.OffsetBytes + damage.SizeBytes - 1);
                    Assert.Contains($"unit '{damage.Unit}', tile {damage.Tile.Tile}, part '{damage.Part}'", damage.Problem, StringComparison.Ordinal);
                }
                else if (warnings.Count == 0)
                {
                    // What is left: the copies of the commit before, and padding behind headers and records, which nothing reads.
                    Assert.True(offset >= geometry.CopyOffsetBytes || IsPadding(geometry, offset), $"offset {offset}");
                }
            }

            Flip(offset);
        }

        Assert.Equal(geometry.StateBytes / 512, numStates);
        Assert.True(numNotes >= 8 + 8, $"{numNotes}");
    }

    [Fact]
    public void Open_LastCommitDamaged_FallsBackToTheOneBefore()
    {
        Make(numCommits: 2);
        long offset = DamageLastCommit();
        List<string> warnings = [];

        using (StateStore store = StateStore.Open(new KeptDevice(_memory)))
        {
            FallbackReport report = store.Fallback(TestContext.Current.CancellationToken);
            Assert.Equal((2, 1), (report.Lost!.Step, report.Current.Step));
            Assert.Equal(offset, Assert.Single(report.Found.Damage).OffsetBytes);
            Assert.Equal(1, store.LastCommit!.Step);
            Assert.Null(FindDifference(store, _ => 1, _ => 1));
        }

        using StateStore again = StateStore.Open(new KeptDevice(_memory), new StoreOptions { Warn = warnings.Add });
        Assert.Equal(1, again.LastCommit!.Step);
        Assert.Empty(warnings);
        WriteAll(again, version: 5);
        again.Commit(2, []);
        Assert.Null(FindDifference(again, _ => 5, _ => 1));
    }

    [Fact]
    public void Open_WithFallBack_DoesItAtOpen()
    {
        Make(numCommits: 2);
        DamageLastCommit();
        List<string> warnings = [];

        using StateStore store = StateStore.Open(new KeptDevice(_memory), new StoreOptions { FallBack = true, Warn = warnings.Add });

        Assert.Equal(1, store.LastCommit!.Step);
        Assert.Contains(warnings, warning => warning.Contains("step 2 was damaged and given up; the store is back at step 1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1, false, "there is no commit before it")]
    [InlineData(2, true, "step 1 before it is not whole either")]
    public void Fallback_NothingToGoBackTo_SaysWhy(int numCommits, bool writesMore, string expected)
    {
        Make(numCommits);
        DamageLastCommit();
        if (writesMore)
        {
            using StateStore written = StateStore.Open(new KeptDevice(_memory));
            Write(written, new TileId(0, 1), version: 9);
        }

        using StateStore store = StateStore.Open(new KeptDevice(_memory));
        var error = Assert.Throws<StoreMismatchException>(() => store.Fallback(TestContext.Current.CancellationToken));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains($"step {numCommits} is damaged: unit 'embedding', tile 1, part 'high'", error.Message, StringComparison.Ordinal);
        Assert.Equal(numCommits, store.LastCommit!.Step);
    }

    [Fact]
    public void Fallback_CopyOfTheDescriptionDamaged_IsMended()
    {
        Make(numCommits: 1);
        Flip(100);
        Flip(StoreGeometry.Of(Small()).HeaderOffsetBytes + StoreGeometry.Of(Small()).HeaderPaddedBytes + 5);

        using (StateStore store = StateStore.Open(new KeptDevice(_memory)))
        {
            FallbackReport report = store.Fallback(TestContext.Current.CancellationToken);
            Assert.Equal(2, report.Mended.Count);
            Assert.Null(report.Lost);
        }

        List<string> warnings = [];
        StateStore.Open(new KeptDevice(_memory), new StoreOptions { Warn = warnings.Add }).Dispose();
        Assert.Empty(warnings);
    }

    [Fact]
    public void Open_OtherVersionInBothCopies_IsRefusedNamingBoth()
    {
        Make(numCommits: 1);
        _memory.Contents.AsSpan<byte>(8, 1)[0] = 7;
        StateStore.Open(new KeptDevice(_memory)).Dispose(); // The other copy says version 1.
        _memory.Contents.AsSpan<byte>(4096 + 8, 1)[0] = 7;

        var error = Assert.Throws<StoreMismatchException>(() => StateStore.Open(new KeptDevice(_memory)));

        Assert.Contains("format version 7; expected version 1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_SingleGenerationInsideAStep_NamesTheDanger()
    {
        StoreDescription description = Small(generations: 1);
        using MemoryDevice memory = DeviceFor(description);
        using (StateStore store = StateStore.Create(new KeptDevice(memory), description))
        {
            WriteAll(store, version: 1);
            store.Commit(7, []);
            store.Rollback(); // Nothing was written: allowed.
            Write(store, new TileId(0, 0), version: 2);
            Assert.Contains("single generation", Assert.Throws<StoreMismatchException>(store.Rollback).Message, StringComparison.Ordinal);
        }

        var error = Assert.Throws<StoreMismatchException>(() => StateStore.Open(new KeptDevice(memory)));
        Assert.Contains("interrupted inside the step after step 7 with a single generation", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Commit_SingleGeneration_MarksOnceAStepAndKeepsAllTiles()
    {
        StoreDescription description = Small(generations: 1);
        using MemoryDevice memory = DeviceFor(description);
        using (StateStore store = StateStore.Create(new KeptDevice(memory), description))
        {
            for (int version = 1; version <= 4; version++)
            {
                WriteAll(store, version);
                store.Commit(version, []);
            }

            Assert.Equal(4 + 4 + 3, memory.Traffic.Flushes);
        }

        using StateStore again = StateStore.Open(new KeptDevice(memory));
        Assert.Equal(4, again.LastCommit!.Step);
        Assert.Null(FindDifference(again, _ => 4, _ => 1));
    }

    [Fact]
    public void Create_RandomDescriptions_RoundTrip()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            StoreDescription description = Any(new Random(seed), maxUnits: 5) with { Owner = JsonDocument.Parse($$"""{"seed":{{seed}}}""").RootElement };
            using MemoryDevice memory = DeviceFor(description);
            using (StateStore store = StateStore.Create(new KeptDevice(memory), description))
            {
                WriteAll(store, version: 3);
                store.Commit(seed, []);
            }

            using StateStore again = StateStore.Open(new KeptDevice(memory));
            Assert.Equal(StoreHeader.Write(description), StoreHeader.Write(again.Description));
            Assert.Equal(seed, again.Description.Owner.GetProperty("seed").GetInt32());
            Assert.Null(FindDifference(again, _ => 3, _ => 3));
        }
    }

    private static bool IsPadding(StoreGeometry geometry, long offset)
    {
        int headerBytes = StoreHeader.Write(geometry.Description).Length;
        long inHeader = (offset - geometry.HeaderOffsetBytes) % geometry.HeaderPaddedBytes;
        long inSlot = (offset - geometry.CommitSlotsOffsetBytes) % geometry.CommitSlotBytes;
        return offset >= geometry.CommitSlotsOffsetBytes ? inSlot >= CommitRecord.SizeBytes(geometry, 0) : inHeader >= headerBytes;
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

    /// <summary>Flips a bit in tile 1 of the first unit, part 'high', in the copy of the last commit.</summary>
    private long DamageLastCommit()
    {
        StoreGeometry geometry = StoreGeometry.Of(Small());
        using StateStore store = StateStore.Open(new KeptDevice(_memory));
        long offset = geometry.MutableOffsetBytes(new TileId(0, 1), (int)(store.LastCommit!.Step + 1) % 2);
        Flip(offset + 77);
        return offset;
    }

    private void Flip(long offset) => _memory.Contents.AsSpan<byte>(offset, 1)[0] ^= 4;
}
