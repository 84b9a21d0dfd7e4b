using Offload.Engine.Training;
using Offload.Storage;
using Offload.Storage.States;
using Offload.Tests.Infrastructure.States;

namespace Offload.Engine.Tests.Training;

public sealed class RunStoreTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-run-store-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void ReadCommitted_SingleGenerationInsideAStep_IsRefusedButItsProgressIsTold()
    {
        string[] folders = [Path.Combine(_folder, "store")];
        using RunFolder run = RunFolder.OpenForReading(Path.Combine(_folder, "run"));
        using StateStore store = StoreFiles.Create(folders, StorePatterns.Small(generations: 1));
        StorePatterns.WriteAll(store, version: 1);
        store.Commit(3, """{"step":3}"""u8);
        Assert.Equal(3, RunStore.Find(run, folders, new StoreFilesOptions()).ReadCommitted()!.LastCommit.Step);

        StorePatterns.Write(store, new TileId(0, 0), version: 2);

        RunStore inside = RunStore.Find(run, folders, new StoreFilesOptions());
        Assert.Contains("inside the step after step 3", Assert.Throws<StoreMismatchException>(() => inside.ReadCommitted()).Message, StringComparison.Ordinal);
        Assert.NotNull(inside.ReadProgress());
    }
}
