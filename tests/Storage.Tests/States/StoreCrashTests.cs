using Offload.Storage.Devices;
using Offload.Storage.States;
using Offload.Tests.Infrastructure.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed class StoreCrashTests
{
    [Fact]
    public void Histories_WithCrashesAnywhere_OpenAtTheLastCommitOrTheOneInFlight()
    {
        StoreCrashHistories.Result result = StoreCrashHistories.Run(numHistories: 250, firstSeed: 1);

        Assert.True(result.Problem is null, result.Problem);

        // All outcomes must occur, or the test tests nothing.
        Assert.True(result is { CommitsKept: > 10, CommitsLost: > 10, Refused: > 3 }, result.ToString());
    }

    [Fact]
    public void Open_RecordOfAKilledProcessNotFlushed_IsDurableBeforeTilesAreOverwritten()
    {
        using var device = new CrashableDevice(DeviceFor(Small()));
        using (StateStore store = StateStore.Create(new KeptDevice(device), Small()))
        {
            WriteAll(store, version: 1);
            store.Commit(1, []);
            WriteAll(store, version: 2);
            device.CrashAt(device.NumOperations + 2); // Flush, record, flush.
            Assert.Equal("flush", Assert.Throws<StorageException>(() => store.Commit(2, [])).Operation);
        }

        device.CrashAt(long.MaxValue); // Only the process is gone.
        using (StateStore store = StateStore.Open(new KeptDevice(device)))
        {
            Assert.Equal(2, store.LastCommit!.Step);
            WriteAll(store, version: 3);
        }

        for (int seed = 0; seed < 64; seed++)
        {
            using StateStore store = StateStore.Open(device.Crash(new Random(seed)));
            Assert.Equal(2, store.LastCommit!.Step);
            Assert.Null(FindDifference(store, _ => 2, _ => 1));
        }
    }
}
