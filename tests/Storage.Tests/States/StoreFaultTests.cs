using System.Diagnostics;
using Offload.Storage.Devices;
using Offload.Storage.Memory;
using Offload.Storage.States;
using Offload.Tests.Infrastructure.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

/// <summary>Every operation of a store's life fails once, in every way.</summary>
[Collection(nameof(ProcessWide))]
public sealed class StoreFaultTests
{
    private static readonly StoreOptions Options = new() { BlockBytes = 8192 };

    public static TheoryData<string> Faults => ["EIO", "ENOSPC", "short", "short to nothing", "flipped bit"];

    [Theory]
    [MemberData(nameof(Faults))]
    public void Life_AnyOperationFails_IsReportedAndNothingCommittedIsLost(string kind)
    {
        var counting = new FaultInjectingDevice(DeviceFor(Small()), new FaultPlan());
        using (counting)
        {
            Assert.Null(Live(counting, out _, out _));
        }

        long numOperations = counting.NumOperations;
        int numErrors = 0;
        for (long index = 0; index < numOperations; index++)
        {
            numErrors += Fail(index, kind) ? 1 : 0;
        }

        Assert.True(numErrors > numOperations / 4, $"{numErrors} of {numOperations} faults were noticed");
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void Open_AnyOperationFails_IsReportedAndChangesNothing(string kind)
    {
        using MemoryDevice memory = DeviceFor(Small());
        Assert.Null(Live(new FaultInjectingDevice(new KeptDevice(memory), new FaultPlan()), out int committed, out _));
        var counting = new FaultInjectingDevice(new KeptDevice(memory), new FaultPlan());
        using (StateStore store = StateStore.Open(counting, Options))
        {
            Assert.True(store.Verify(null, TestContext.Current.CancellationToken).IsIntact);
        }

        Assert.True(counting.NumOperations > 10);
        for (long index = 0; index < counting.NumOperations; index++)
        {
            bool isNoticed = false;
            var faulty = new FaultInjectingDevice(new KeptDevice(memory), new FaultPlan().At(index, FaultOf(kind, index)));
            try
            {
                using StateStore store = StateStore.Open(faulty, Options with { Warn = _ => isNoticed = true });
                isNoticed |= !store.Verify(null, TestContext.Current.CancellationToken).IsIntact;
            }
            catch (Exception error) when (error is StorageException or StoreMismatchException)
            {
                isNoticed = true;
            }

            // A flipped bit may be in padding behind headers and records; a flush has no bits and no length.
            Assert.True(isNoticed || kind.StartsWith("short", StringComparison.Ordinal) || kind == "flipped bit", $"operation {index}");
            AssertReopens(memory, committed, inFlight: 0, isFlipped: false);
        }
    }

    [Fact]
    public void Commit_FlushFails_StoreHasFailedForGood()
    {
        foreach (int flush in (int[])[1, 2])
        {
            using MemoryDevice memory = DeviceFor(Small());
            var faulty = new FaultInjectingDevice(new KeptDevice(memory), new FaultPlan().At(1 + flush, Fault.Error(5), FaultTarget.Flush));
            using (StateStore store = StateStore.Create(faulty, Small(), Options))
            {
                WriteAll(store, version: 1);
                store.Commit(1, []);
                WriteAll(store, version: 2);

                Assert.Contains("EIO (5)", Assert.Throws<StorageException>(() => store.Commit(2, [])).Message, StringComparison.Ordinal);
                foreach (Action use in (Action[])[() => store.Commit(2, []), store.Rollback, () => Write(store, new TileId(0, 0), 3), () => FindDifference(store, _ => 1, _ => 1)])
                {
                    StorageException error = Assert.Throws<StorageException>(use);
                    Assert.Contains("failed before, for good", error.Message, StringComparison.Ordinal);
                    Assert.Contains("EIO (5)", error.Message, StringComparison.Ordinal);
                }
            }

            using StateStore again = StateStore.Open(new KeptDevice(memory));
            int version = (int)again.LastCommit!.Step;
            Assert.InRange(version, 1, 2);
            Assert.Null(FindDifference(again, _ => version, _ => 1));
        }
    }

    [Fact]
    public void Write_Fails_CommitIsRefusedUntilRollback()
    {
        using MemoryDevice memory = DeviceFor(Small());
        var plan = new FaultPlan().At(30, Fault.Error(5), FaultTarget.Write);
        using StateStore store = StateStore.Create(new FaultInjectingDevice(new KeptDevice(memory), plan), Small(), Options);
        WriteAll(store, version: 1);
        store.Commit(1, []);

        StorageException error = Assert.Throws<StorageException>(() =>
        {
            for (int count = 0; count < 10; count++)
            {
                WriteAll(store, version: 2);
            }
        });

        Assert.Contains("EIO (5)", error.Message, StringComparison.Ordinal);
        Assert.Contains("EIO (5)", Assert.Throws<StorageException>(() => store.Commit(2, [])).Message, StringComparison.Ordinal);
        store.Rollback();
        Assert.Null(FindDifference(store, _ => 1, _ => 1));
        WriteAll(store, version: 3);
        store.Commit(2, []);
        Assert.Null(FindDifference(store, _ => 3, _ => 1));
    }

    private static Fault FaultOf(string kind, long index) => kind switch
    {
        "EIO" => Fault.Error(5),
        "ENOSPC" => Fault.Error(28),
        "short" => Fault.ShortTransfer(4096),
        "short to nothing" => Fault.ShortTransfer(0),
        _ => Fault.FlippedBit((index * 7919) + 3),
    };

    /// <summary>Makes a store, commits it, changes it, commits again, checks it. What was committed is known also after an error.</summary>
    private static Exception? Live(FaultInjectingDevice device, out int committed, out int inFlight)
    {
        committed = 0;
        inFlight = 0;
        try
        {
            using StateStore store = StateStore.Create(device, Small(), Options);
            for (int version = 1; version <= 3; version++)
            {
                WriteAll(store, version);
                inFlight = version;
                store.Commit(version, "state"u8);
                committed = version;
                inFlight = 0;
            }

            VerifyReport report = store.Verify();
            if (!report.IsIntact)
            {
                return new StoreMismatchException(device.Path, report.Damage[0].Problem);
            }

            int last = committed;
            return FindDifference(store, _ => last, _ => 1) is { } difference ? new InvalidOperationException(difference) : null;
        }
        catch (Exception error) when (error is StorageException or StoreMismatchException)
        {
            return error;
        }
    }

    private static bool Fail(long index, string kind)
    {
        using MemoryDevice memory = DeviceFor(Small());
        long outstanding = NativeBuffer.OutstandingBytes + SlotArena.OutstandingBytes;
        long start = Stopwatch.GetTimestamp();
        Exception? error = Live(
            new FaultInjectingDevice(new KeptDevice(memory), new FaultPlan().At(index, FaultOf(kind, index))), out int committed, out int inFlight);
        Assert.True(error is null or StorageException or StoreMismatchException, error?.ToString());
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(20), "it hung");
        Assert.Equal(outstanding, NativeBuffer.OutstandingBytes + SlotArena.OutstandingBytes);
        if (error is StorageException storage)
        {
            Assert.Equal("memory", storage.Path);
            Assert.Matches(kind switch { "EIO" => "EIO", "ENOSPC" => "ENOSPC", _ => "of [0-9]+ bytes were transferred" }, error.Message);
        }

        AssertReopens(memory, committed, inFlight, isFlipped: kind == "flipped bit");
        return error is not null;
    }

    private static void AssertReopens(MemoryDevice memory, int committed, int inFlight, bool isFlipped)
    {
        StateStore store;
        try
        {
            store = StateStore.Open(new KeptDevice(memory), new StoreOptions { FallBack = isFlipped });
        }
        catch (StoreMismatchException) when (committed == 0 || isFlipped)
        {
            return; // Nothing was promised yet; or the bit is on the device, and damage was found that cannot be mended.
        }

        using (store)
        {
            int found = (int)(store.LastCommit?.Step ?? 0);
            Assert.True(found == committed || (found == inFlight && inFlight > 0) || (isFlipped && found == committed - 1), $"opened at {found}, committed {committed}");
            if (found > 0)
            {
                Assert.Null(FindDifference(store, _ => found, _ => 1));
            }
        }
    }
}
