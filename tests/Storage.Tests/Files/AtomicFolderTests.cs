using Offload.Storage.Files;

namespace Offload.Storage.Tests.Files;

public sealed class AtomicFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Commit_NewTarget_AppearsWholeWithParents()
    {
        string target = _folder["deep/er/model"];
        using (var folder = new AtomicFolder(target + "/"))
        {
            File.WriteAllText(Path.Join(folder.StagingPath, "a"), "1");
            Directory.CreateDirectory(Path.Join(folder.StagingPath, "sub"));
            File.WriteAllText(Path.Join(folder.StagingPath, "sub/b"), "2");
            Assert.False(Directory.Exists(target));
            folder.Commit();
        }

        Assert.Equal("1", File.ReadAllText(Path.Join(target, "a")));
        Assert.Equal("2", File.ReadAllText(Path.Join(target, "sub/b")));
        Assert.Equal([target], Directory.GetFileSystemEntries(_folder["deep/er"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Commit_OverPrevious_ReplacesItWhole(bool exchange)
    {
        Previous("old.bin", "same.bin");
        using (var folder = new AtomicFolder(_folder["model"], IsModelFile, exchange))
        {
            File.WriteAllText(Path.Join(folder.StagingPath, "same.bin"), "new");
            Assert.Equal("previous", File.ReadAllText(_folder["model/same.bin"]));
            folder.Commit();
        }

        Assert.Equal(["model"], _folder.Names);
        Assert.Equal([_folder["model/same.bin"]], Directory.GetFileSystemEntries(_folder["model"]));
        Assert.Equal("new", File.ReadAllText(_folder["model/same.bin"]));
    }

    [Fact]
    public void Dispose_WithoutCommit_KeepsPrevious()
    {
        Previous("old.bin");
        using (var folder = new AtomicFolder(_folder["model"], IsModelFile))
        {
            File.WriteAllText(Path.Join(folder.StagingPath, "old.bin"), "new");
        }

        Assert.Equal(["model"], _folder.Names);
        Assert.Equal("previous", File.ReadAllText(_folder["model/old.bin"]));
    }

    [Fact]
    public void Constructor_ForeignFile_IsRefused()
    {
        Previous("old.bin", "thesis.doc");

        var error = Assert.Throws<StorageException>(() => new AtomicFolder(_folder["model"], IsModelFile));

        Assert.Contains("holds 'thesis.doc', which would be lost", error.Message, StringComparison.Ordinal);
        Assert.Equal(["model"], _folder.Names);
    }

    [Fact]
    public void Constructor_Subfolder_IsRefused()
    {
        Directory.CreateDirectory(_folder["model/sub.bin"]);

        Assert.Throws<StorageException>(() => new AtomicFolder(_folder["model"], IsModelFile));
    }

    [Fact]
    public void Constructor_NothingMayBeReplaced_TakesOnlyEmptyFolder()
    {
        Directory.CreateDirectory(_folder["empty"]);
        Previous("old.bin");
        using (var folder = new AtomicFolder(_folder["empty"]))
        {
            folder.Commit();
        }

        Assert.Throws<StorageException>(() => new AtomicFolder(_folder["model"]));
        Assert.Equal(["empty", "model"], _folder.Names);
    }

    [Fact]
    public void Commit_ForeignFileCameMeanwhile_KeepsIt()
    {
        Previous("old.bin");
        using (var folder = new AtomicFolder(_folder["model"], IsModelFile))
        {
            File.WriteAllText(_folder["model/notes.txt"], "precious");
            Assert.Throws<StorageException>(folder.Commit);
        }

        Assert.Equal("precious", File.ReadAllText(_folder["model/notes.txt"]));
        Assert.Equal(["model"], _folder.Names);
    }

    [Fact]
    public void Constructor_TargetIsFile_IsRefused()
    {
        File.WriteAllText(_folder["model"], "");

        var error = Assert.Throws<StorageException>(() => new AtomicFolder(_folder["model"]));

        Assert.Contains("a file with this name exists", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Constructor_SecondWriter_IsRefusedUntilFirstEnds()
    {
        using (new AtomicFolder(_folder["model"]))
        {
            var error = Assert.Throws<StorageException>(() => new AtomicFolder(_folder["model"]));
            Assert.Contains("another process is writing it", error.Message, StringComparison.Ordinal);
        }

        using var next = new AtomicFolder(_folder["model"]);
        Assert.True(Directory.Exists(next.StagingPath));
    }

    [Fact]
    public void Constructor_StagingOfDeadProcess_IsEmptied()
    {
        Directory.CreateDirectory(_folder[".model.offload-tmp"]);
        File.WriteAllText(_folder[".model.offload-tmp/half"], "");
        File.WriteAllText(_folder[".model.offload-lock"], "");

        using var folder = new AtomicFolder(_folder["model"]);

        Assert.Empty(Directory.GetFileSystemEntries(folder.StagingPath));
    }

    [Fact]
    public void Constructor_DiedBetweenTheTwoRenames_PutsPreviousBack()
    {
        Previous("old.bin");
        Directory.Move(_folder["model"], _folder[".model.offload-old"]);

        using (new AtomicFolder(_folder["model"], IsModelFile))
        {
            Assert.Equal("previous", File.ReadAllText(_folder["model/old.bin"]));
        }

        Assert.Equal(["model"], _folder.Names);
    }

    [Fact]
    public void Constructor_DiedBetweenTheTwoRenamesAndAnEmptyFolderCame_PutsPreviousBack()
    {
        Previous("old.bin");
        Directory.Move(_folder["model"], _folder[".model.offload-old"]);
        Directory.CreateDirectory(_folder["model"]);

        using (new AtomicFolder(_folder["model"], IsModelFile))
        {
            Assert.Equal("previous", File.ReadAllText(_folder["model/old.bin"]));
        }

        Assert.Equal(["model"], _folder.Names);
    }

    [Fact]
    public void Constructor_ParentTakesNoFiles_NamesTheFolderNotTheLock()
    {
        var error = Assert.Throws<StorageException>(() => new AtomicFolder("/proc/model"));

        Assert.StartsWith("/proc/model: cannot make files beside the folder: ", error.Message);
        Assert.DoesNotContain("offload-lock", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Constructor_ManyWriters_OneAtATime()
    {
        int numInside = 0;
        int most = 0;
        int numDone = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                try
                {
                    using var folder = new AtomicFolder(_folder["model"], IsModelFile);
                    InterlockedMax(ref most, Interlocked.Increment(ref numInside));
                    Interlocked.Increment(ref numDone);
                    Interlocked.Decrement(ref numInside);
                }
                catch (StorageException error) when (error.Message.Contains("another process is writing it", StringComparison.Ordinal))
                {
                    // Its turn comes with the next round.
                }
            }
        })));

        Assert.Equal(1, most);
        Assert.True(numDone > 1);
        Assert.Empty(_folder.Names);

        static void InterlockedMax(ref int target, int value)
        {
            for (int seen = Volatile.Read(ref target); seen < value; seen = Volatile.Read(ref target))
            {
                Interlocked.CompareExchange(ref target, value, seen);
            }
        }
    }

    [Fact]
    public void Commit_SymbolicLink_ReplacesWhatItPointsTo()
    {
        Previous("old.bin");
        Directory.CreateSymbolicLink(_folder["link"], _folder["model"]);
        using (var folder = new AtomicFolder(_folder["link"], IsModelFile))
        {
            File.WriteAllText(Path.Join(folder.StagingPath, "new.bin"), "");
            folder.Commit();
        }

        Assert.Equal(["link", "model"], _folder.Names);
        Assert.True(File.Exists(_folder["model/new.bin"]));
        Assert.True(File.Exists(_folder["link/new.bin"]));
    }

    [Fact]
    public void Constructor_MountPoint_IsRefused()
    {
        var error = Assert.Throws<StorageException>(() => new AtomicFolder("/proc", _ => true));

        // An unprivileged user already fails at the lock beside it.
        Assert.True(
            error.Message.Contains("mount point", StringComparison.Ordinal) || error.Message.Contains("EACCES", StringComparison.Ordinal), error.Message);
    }

    private static bool IsModelFile(string name) => name.EndsWith(".bin", StringComparison.Ordinal);

    private void Previous(params string[] names)
    {
        Directory.CreateDirectory(_folder["model"]);
        foreach (string name in names)
        {
            File.WriteAllText(_folder[$"model/{name}"], "previous");
        }
    }
}
