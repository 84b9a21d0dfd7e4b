using Offload.Storage.Devices;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

/// <summary>A store in two folders, of which one fails, or refuses the renaming of the first commit.</summary>
public sealed class StripedFaultTests : IDisposable
{
    private static readonly int[] Stripes = [8192, 4096];

    private readonly TemporaryFolder _folder = new();

    private string[] Folders => [_folder["a"], _folder["b"]];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public void Life_AnyOperationOfAMemberFails_NothingCommittedIsLost(string member)
    {
        FaultInjectingDevice? counting = null;
        Assert.Null(Live(Options(member, new FaultPlan(), device => counting = device), out _, out _));
        Assert.True(counting!.NumOperations > 15, $"{counting.NumOperations} operations");
        int numErrors = 0;
        for (long index = 0; index < counting.NumOperations; index++)
        {
            Array.ForEach(Folders, folder => Directory.Delete(folder, recursive: true));
            StorageException? error = Live(Options(member, new FaultPlan().At(index, Fault.Error(5)), _ => { }), out int committed, out int inFlight);
            Assert.NotNull(error);
            Assert.Contains("EIO (5)", error.Message, StringComparison.Ordinal);
            numErrors++;
            AssertState(committed, inFlight);
            Array.ForEach(Folders, folder => Directory.CreateDirectory(folder));
        }

        Assert.Equal(counting.NumOperations, numErrors);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Commit_RenamingFails_LeavesNothingThatASecondStoreCouldDestroy(int blocked)
    {
        string block = Path.Join(Folders[blocked], StoreFiles.FileName);
        using (StateStore store = StoreFiles.Create(Folders, Small(), new StoreFilesOptions { StripeBytes = Stripes }))
        {
            WriteAll(store, version: 1);
            Directory.CreateDirectory(block);
            Assert.Contains("rename to", Assert.Throws<StorageException>(() => store.Commit(1, [])).Operation, StringComparison.Ordinal);
            Assert.Contains("failed before, for good", Assert.Throws<StorageException>(() => store.Commit(1, [])).Message, StringComparison.Ordinal);
        }

        Directory.Delete(block);
        Assert.Throws<StorageException>(() => StoreFiles.Create([Folders[1]], Small()));
        if (blocked == 0)
        {
            Assert.Equal(StoreFilesState.HalfMade, StoreFiles.StateOf(Folders));
            return;
        }

        Assert.Throws<StorageException>(() => StoreFiles.Create([Folders[1], Folders[0]], Small()));
        AssertState(committed: 1, inFlight: 0);
    }

    private static StoreFilesOptions Options(string member, FaultPlan plan, Action<FaultInjectingDevice> made) => new()
    {
        StripeBytes = Stripes,
        Wrap = file =>
        {
            if (Path.GetFileName(Path.GetDirectoryName(file.Path)) != member)
            {
                return file;
            }

            var device = new FaultInjectingDevice(file, plan);
            made(device);
            return device;
        },
    };

    /// <summary>Makes a store, commits it and commits a change. What was committed is known also after an error.</summary>
    private StorageException? Live(StoreFilesOptions options, out int committed, out int inFlight)
    {
        committed = 0;
        inFlight = 0;
        try
        {
            using StateStore store = StoreFiles.Create(Folders, Small(), options);
            for (int version = 1; version <= 2; version++)
            {
                WriteAll(store, version);
                inFlight = version;
                store.Commit(version, []);
                committed = version;
                inFlight = 0;
            }

            return null;
        }
        catch (StorageException error)
        {
            return error;
        }
    }

    private void AssertState(int committed, int inFlight)
    {
        StoreFilesState state = StoreFiles.StateOf(Folders);
        if (state != StoreFilesState.Committed)
        {
            Assert.Equal(0, committed);
            StoreFiles.Create(Folders, Small(), new StoreFilesOptions { StripeBytes = Stripes }).Dispose();
            return;
        }

        using StateStore store = StoreFiles.Open(Folders);
        int step = (int)store.LastCommit!.Step;
        Assert.True(step == committed || step == inFlight, $"opened at {step}, committed {committed}, in flight {inFlight}");
        Assert.Null(FindDifference(store, _ => step, _ => 1));
    }
}
