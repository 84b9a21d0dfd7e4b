using Offload.Storage.States;
using static Offload.Tests.Infrastructure.States.StorePatterns;

namespace Offload.Storage.Tests.States;

public sealed class StoreFilesTests : IDisposable
{
    private static readonly StoreFilesOptions Striped = new() { StripeBytes = [8192, 4096, 12288] };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Open_FoldersInAnotherOrder_FindsTheMembers()
    {
        string[] folders = [_folder["a"], _folder["b"], _folder["c"]];
        Make(folders, Striped);

        AssertOpens([folders[2], folders[0], folders[1]], step: 10, version: 1);
    }

    [Fact]
    public void Open_OneFileNotRenamedYet_FinishesTheRenaming()
    {
        string[] folders = [_folder["a"], _folder["b"], _folder["c"]];
        Make(folders, Striped);
        string renamed = Path.Join(folders[1], StoreFiles.FileName);
        File.Move(renamed, renamed + StoreFiles.PartSuffix);

        AssertOpens(folders, step: 10, version: 1);

        Assert.True(File.Exists(renamed));
        Assert.False(File.Exists(renamed + StoreFiles.PartSuffix));
    }

    [Fact]
    public void Open_WrongSetsOfFolders_NamesWhatIsWrong()
    {
        string[] folders = [_folder["a"], _folder["b"], _folder["c"]];
        string[] others = [_folder["d"], _folder["e"], _folder["f"]];
        Make(folders, Striped);
        Make(others, Striped);
        Directory.CreateDirectory(_folder["g"]);
        Directory.CreateDirectory(_folder["h"]);
        File.Copy(Path.Join(folders[0], StoreFiles.FileName), Path.Join(_folder["h"], StoreFiles.FileName));

        AssertRefused([folders[0], folders[1]], "the store has 3 files, 2 were given; file 3 is missing");
        AssertRefused([folders[0], others[1], folders[2]], $"{others[1]}/states.offload: the file belongs to another store");
        AssertRefused([folders[0], folders[1], _folder["g"]], $"{_folder["g"]}: no state store is there");
        AssertRefused([folders[0], folders[1], _folder["h"]], "is a copy of");
        Assert.Contains(
            "twice", Assert.Throws<StorageException>(() => StoreFiles.Open([folders[0], folders[0]])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_WithACopyOfTheOnlyFile_IsRefused()
    {
        Make([_folder["a"]], options: null);
        Directory.CreateDirectory(_folder["backup"]);
        File.Copy(_folder["a/states.offload"], _folder["backup/states.offload"]);

        AssertRefused([_folder["a"], _folder["backup"]], $"{_folder["backup"]}/states.offload: the file is a copy of {_folder["a"]}/states.offload");
    }

    [Theory]
    [InlineData(1, "format version 9; expected version 1")]
    [InlineData(2, "not a file of a state store")]
    public void Open_BothLabelsChanged_IsRefused(int kind, string expected)
    {
        Make([_folder.Path], options: null);
        ChangeLabels(copy => copy[kind == 1 ? 8 : 100] = 9, copies: 2);

        AssertRefused([_folder.Path], expected);
    }

    [Fact]
    public void Open_OneLabelDamaged_WarnsUntilRepaired()
    {
        Make([_folder.Path], options: null);
        ChangeLabels(copy => copy[100]++, copies: 1);
        List<string> warnings = [];
        var options = new StoreFilesOptions { Store = new StoreOptions { Warn = warnings.Add } };

        StoreFiles.Open([_folder.Path], options).Dispose();
        Assert.Contains(warnings, warning => warning.Contains("copy 0 of the file's label is damaged", StringComparison.Ordinal));
        StoreFiles.Open([_folder.Path], options with { Store = options.Store with { FallBack = true } }).Dispose();
        warnings.Clear();
        StoreFiles.Open([_folder.Path], options).Dispose();

        Assert.DoesNotContain(warnings, warning => warning.Contains("label", StringComparison.Ordinal));
    }

    [Fact]
    public void Fallback_OneLabelDamaged_SaysThatItWasMended()
    {
        Make([_folder.Path], options: null);
        ChangeLabels(copy => copy[100]++, copies: 1);

        using StateStore store = StoreFiles.Open([_folder.Path]);
        FallbackReport report = store.Fallback(TestContext.Current.CancellationToken);

        Assert.Contains("copy 0 of the file's label is damaged", Assert.Single(report.Mended), StringComparison.Ordinal);
        Assert.Null(report.Lost);
        Assert.True(report.Found.IsIntact);
    }

    [Fact]
    public void Open_Truncated_IsRefused()
    {
        Make([_folder.Path], options: null);
        using (FileStream file = File.OpenWrite(_folder["states.offload"]))
        {
            file.SetLength(file.Length - 4096);
        }

        AssertRefused([_folder.Path], "expected a file of");
    }

    [Fact]
    public void Open_InUse_IsRefusedButSummarised()
    {
        Make([_folder.Path], options: null);
        using StateStore store = StoreFiles.Open([_folder.Path]);
        WriteAll(store, version: 2);
        store.Commit(11, "eleven"u8);

        var error = Assert.Throws<StorageException>(() => StoreFiles.Open([_folder.Path]));
        StoreSummary summary = StoreFiles.TryReadSummary([_folder.Path])!;

        Assert.Equal(_folder["states.offload"], error.Path);
        Assert.Equal(11, summary.LastCommit!.Step);
        Assert.Equal("eleven"u8.ToArray(), summary.LastCommit.RunState.ToArray());
        Assert.Equal([_folder["states.offload"]], summary.Files);
        Assert.Equal(2, summary.Description.Units.Count);
        Assert.Equal(new FileInfo(_folder["states.offload"]).Length, summary.SizeBytes);
    }

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

    private static void AssertRefused(string[] folders, string expected) =>
        Assert.Contains(expected, Assert.Throws<StoreMismatchException>(() => StoreFiles.Open(folders)).Message, StringComparison.Ordinal);

    private void ChangeLabels(Action<byte[]> change, int copies)
    {
        using FileStream file = File.Open(_folder["states.offload"], FileMode.Open);
        for (int copy = 0; copy < copies; copy++)
        {
            byte[] label = new byte[StoreLabel.CopyBytes];
            file.Position = file.Length - StoreLabel.SizeBytes + (copy * StoreLabel.CopyBytes);
            file.ReadExactly(label);
            change(label);
            file.Position -= label.Length;
            file.Write(label);
        }
    }
}
