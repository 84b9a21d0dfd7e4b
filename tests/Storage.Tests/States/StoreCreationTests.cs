using Offload.Storage.Devices;
using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed class StoreCreationTests : IDisposable
{
    private static readonly StoreFilesOptions Striped = new() { StripeBytes = [8192, 4096, 12288] };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Create_BeforeTheFirstCommit_IsHalfMadeAndMayBeMadeAnew()
    {
        string[] folders = [_folder["a/b"]];
        Assert.Equal(StoreFilesState.None, StoreFiles.StateOf(folders));
        StoreFiles.Create(folders, Small()).Dispose();

        Assert.Equal(StoreFilesState.HalfMade, StoreFiles.StateOf(folders));
        Assert.Null(StoreFiles.TryReadSummary(folders));
        var error = Assert.Throws<StoreMismatchException>(() => StoreFiles.Open(folders));
        Assert.Contains("half made", error.Message, StringComparison.Ordinal);

        Make(folders, options: null);
        Assert.Equal(["states.offload"], Directory.EnumerateFiles(folders[0]).Select(Path.GetFileName));
        Assert.Equal(StoreFilesState.Committed, StoreFiles.StateOf(folders));
    }

    [Fact]
    public void Create_WhereACommittedStoreIs_IsRefused()
    {
        Make([_folder.Path], options: null);

        var error = Assert.Throws<StorageException>(() => StoreFiles.Create([_folder.Path], Small()));

        Assert.Contains("there is one already", error.Message, StringComparison.Ordinal);
        AssertOpens([_folder.Path], step: 10, version: 1);
    }

    [Fact]
    public void Create_WhileAnotherMakesOneThere_IsRefused()
    {
        using StateStore first = StoreFiles.Create([_folder.Path], Small());

        Assert.Throws<StorageException>(() => StoreFiles.Create([_folder.Path], Small()));

        WriteAll(first, version: 1);
        first.Commit(0, []);
        Assert.Equal(_folder["states.offload"], first.Device.Path);
    }

    [Fact]
    public void Create_DiskTooSmall_IsRefusedWithTheMissingBytesBeforeAnythingIsWritten()
    {
        StoreDescription large = Small() with { Units = [new StateUnit("huge", 1L << 44, [new("high", ElementType.F32)])], TileParameters = 1 << 28 };

        var error = Assert.Throws<StorageException>(() => StoreFiles.Create([_folder["a"], _folder["b"]], large, new StoreFilesOptions { StripeBytes = [4096, 4096] }));

        Assert.Contains("bytes are missing", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void Create_WritingFails_LeavesNothing()
    {
        var options = new StoreFilesOptions { Wrap = device => new FaultInjectingDevice(device, new FaultPlan().At(2, Fault.Error(5))) };

        var error = Assert.Throws<StorageException>(() => StoreFiles.Create([_folder.Path], Small(), options));

        Assert.Contains("EIO (5)", error.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void Create_SeveralFoldersOfALargeStore_MeasuresThem()
    {
        Assert.False(FolderSpeeds.AreMeasured(numFolders: 2, storeBytes: 1 << 30));
        Assert.True(FolderSpeeds.AreMeasured(numFolders: 2, storeBytes: 1L << 31));
        Directory.CreateDirectory(_folder["a"]);

        IReadOnlyList<int> widths = FolderSpeeds.MeasureWidths([_folder.Path, _folder["a"]], new StoreFilesOptions(), probeBytes: 4 << 20);

        Assert.All(widths, width => Assert.True(width > 0 && width % 4096 == 0));
        Assert.Equal(["a"], _folder.Names);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Create_CrashedWhileFilesWereRenamed_RemovesNothingThatMayHaveACommit(int numRenamed)
    {
        string[] folders = [_folder["a"], _folder["b"], _folder["c"]];
        foreach (string[] given in Arrangements(folders).Where(given => numRenamed > 0 || given.Length < folders.Length))
        {
            MakeRenamed(folders, numRenamed);
            string[] before = Files();

            var error = Assert.Throws<StorageException>(() => StoreFiles.Create(given, Small(), new StoreFilesOptions { StripeBytes = [.. given.Select(_ => 4096)] }));

            Assert.Contains(given.Any(folder => Array.IndexOf(folders, folder) < numRenamed) ? "there is one already" : "that store may have a commit", error.Message, StringComparison.Ordinal);
            Assert.Equal(before, Files());
            if (numRenamed > 0)
            {
                AssertOpens(folders, step: 10, version: 1);
            }
        }
    }

    [Fact]
    public void Create_NoFileRenamedAndAllFoldersGiven_ReplacesTheHalfMadeStore()
    {
        string[] folders = [_folder["a"], _folder["b"], _folder["c"]];
        foreach (string[] given in Arrangements(folders).Where(given => given.Length == folders.Length))
        {
            MakeRenamed(folders, numRenamed: 0);
            Make(given, Striped);
            AssertOpens(folders, step: 10, version: 1);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Create_CrashedBeforeAllLabelsWereWritten_MayBeMadeAnew(bool isOneGone)
    {
        string[] folders = [_folder["a"], _folder["b"]];
        StoreFilesOptions options = new() { StripeBytes = [4096, 8192] };
        StoreFiles.Create(folders, Small(), options).Dispose();
        using (FileStream file = File.OpenWrite(_folder["b/states.offload.part"]))
        {
            file.Position = file.Length - StoreLabel.SizeBytes;
            file.Write(new byte[StoreLabel.SizeBytes]);
        }

        if (isOneGone)
        {
            // As while a half-made store is removed, which erases all labels first.
            File.Delete(_folder["a/states.offload.part"]);
        }

        Make(folders, options);
        AssertOpens(folders, step: 10, version: 1);
    }

    [Fact]
    public void Create_FileReplacedByAnotherProcess_FailsAndLeavesTheOthers()
    {
        string[] folders = [_folder["a"], _folder["b"]];
        string other = _folder["b/states.offload.part"];
        const int OtherBytes = 65536;
        foreach (bool isLocked in (bool[])[true, false])
        {
            DirectFileDevice? lockedByOther = null;
            StoreFilesOptions options = new()
            {
                StripeBytes = [4096, 4096],
                Wrap = device =>
                {
                    if (device.Path != other)
                    {
                        File.Delete(other);
                        File.WriteAllBytes(other, new byte[OtherBytes]);
                        lockedByOther ??= isLocked ? DirectFileDevice.Open(other, new DirectFileOptions { Engine = IoEngine.Threads }) : null;
                    }

                    return device;
                },
            };

            var error = Assert.Throws<StorageException>(() => StoreFiles.Create(folders, Small(), options));

            Assert.Equal(other, error.Path);
            Assert.Contains(isLocked ? "another process is using this file" : "replaced", error.Message, StringComparison.Ordinal);
            lockedByOther?.Dispose();
            Assert.Equal(OtherBytes, new FileInfo(other).Length);
            Assert.False(File.Exists(_folder["a/states.offload.part"]));
            File.Delete(other);
        }
    }

    [Fact]
    public void Open_FileRenamedBeforeItWasLocked_IsRefused()
    {
        File.WriteAllBytes(_folder["x"], new byte[4096]);
        using DirectFileDevice file = DirectFileDevice.Open(_folder["x"], new DirectFileOptions { Engine = IoEngine.Threads });
        StoreMembers.RequireStillThere(file);

        File.Move(_folder["x"], _folder["y"]);
        Assert.Contains("renamed, removed or replaced", Assert.Throws<StorageException>(() => StoreMembers.RequireStillThere(file)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(_folder["x"], new byte[4096]);
        Assert.Throws<StorageException>(() => StoreMembers.RequireStillThere(file));
    }

    [Fact]
    public void Create_StoreFinishedThereMeanwhile_IsRefusedUnderTheLocks()
    {
        string final = _folder["states.offload"];
        var options = new StoreFilesOptions
        {
            Wrap = device =>
            {
                File.WriteAllText(final, "other");
                return device;
            },
        };

        Assert.Contains("there is one already", Assert.Throws<StorageException>(() => StoreFiles.Create([_folder.Path], Small(), options)).Message, StringComparison.Ordinal);
        Assert.Equal(["states.offload"], _folder.Names);
    }

    [Fact]
    public void Create_NoRoomForMeasuredStripes_IsRefusedBeforeAnythingIsWritten()
    {
        StoreDescription large = Small() with { Units = [new StateUnit("huge", 1L << 44, [new("high", ElementType.F32)])], TileParameters = 1 << 28 };

        var error = Assert.Throws<StorageException>(() => StoreFiles.Create([_folder["a/b"], _folder["c"]], large));

        Assert.Contains("on all of them together", error.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void Create_Fails_RemovesFoldersThatItMade()
    {
        Directory.CreateDirectory(_folder["old"]);
        var options = new StoreFilesOptions { StripeBytes = [4096, 4096], Wrap = device => new FaultInjectingDevice(device, new FaultPlan().At(1, Fault.Error(5))) };

        Assert.Throws<StorageException>(() => StoreFiles.Create([_folder["old/x"], _folder["new/y"]], Small(), options));

        Assert.Equal(["old"], _folder.Names);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder["old"]));
    }

    [Fact]
    public void Create_ProbeOfAKilledProcess_IsRemoved()
    {
        File.WriteAllText(_folder[FolderSpeeds.ProbeName], "left");

        Make([_folder.Path], options: null);

        Assert.Equal(["states.offload"], _folder.Names);
    }

    [Fact]
    public void Create_LeftoverCannotBeRemoved_IsAnErrorOfStorage()
    {
        Directory.CreateDirectory(_folder[FolderSpeeds.ProbeName]);

        var error = Assert.Throws<StorageException>(() => StoreFiles.Create([_folder.Path], Small()));

        Assert.Equal("remove", error.Operation);
        Assert.Equal(_folder[FolderSpeeds.ProbeName], error.Path);
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(4096, 4096, 4096)]
    [InlineData(4096, 0)]
    [InlineData(4096, -4096)]
    [InlineData(4096, 4097)]
    public void Create_StripesThatCannotBe_IsRefused(params int[] stripeBytes)
    {
        Assert.Throws<ArgumentException>(() => StoreFiles.Create([_folder["a"], _folder["b"]], Small(), new StoreFilesOptions { StripeBytes = stripeBytes }));
        Assert.Empty(_folder.Names);
        if (stripeBytes.Length == 2)
        {
            Assert.Throws<ArgumentException>(() => StoreFiles.FileBytes(Small(), stripeBytes));
        }
    }

    /// <summary>A store with a commit, of whose files the first ones have their final names.</summary>
    private static void MakeRenamed(string[] folders, int numRenamed)
    {
        foreach (string folder in folders.Where(Directory.Exists))
        {
            Directory.Delete(folder, recursive: true);
        }

        Make(folders, Striped);
        foreach (string path in folders.Skip(numRenamed).Select(folder => Path.Join(folder, StoreFiles.FileName)))
        {
            File.Move(path, path + StoreFiles.PartSuffix);
        }
    }

    /// <summary>Every order of every subset but the empty one.</summary>
    private static IEnumerable<string[]> Arrangements(string[] items) =>
        items.SelectMany(item => Arrangements([.. items.Where(other => other != item)]).Select(rest => (string[])[item, .. rest]).Prepend([item]));

    private static void Make(string[] folders, StoreFilesOptions? options)
    {
        using StateStore store = StoreFiles.Create(folders, Small(), options);
        WriteAll(store, version: 1);
        store.Commit(10, []);
    }

    private static void AssertOpens(string[] folders, int step, int version)
    {
        using StateStore store = StoreFiles.Open(folders);
        Assert.Equal(step, store.LastCommit!.Step);
        Assert.Null(FindDifference(store, _ => version, _ => version));
    }

    private string[] Files() => [.. Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
}
