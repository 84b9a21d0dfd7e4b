using Offload.Storage.Files;

namespace Offload.Storage.Tests.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Commit_OverPreviousFile_ReplacesItWhole()
    {
        string path = _folder["x"];
        File.WriteAllText(path, "a longer previous text");
        using (var file = new AtomicFile(path))
        {
            file.WriteAt(3, "new"u8);
            file.WriteAt(0, "abc"u8);
            Assert.Equal("a longer previous text", File.ReadAllText(path));
            file.Commit();
        }

        Assert.Equal("abcnew", File.ReadAllText(path));
        Assert.Equal(["x"], _folder.Names);
    }

    [Fact]
    public void Dispose_WithoutCommit_KeepsPreviousFile()
    {
        File.WriteAllText(_folder["x"], "previous");
        using (var file = new AtomicFile(_folder["x"]))
        {
            file.WriteAt(0, "new"u8);
            Assert.Equal(2, _folder.Names.Length);
        }

        Assert.Equal("previous", File.ReadAllText(_folder["x"]));
        Assert.Equal(["x"], _folder.Names);
    }

    [Fact]
    public void Constructor_LeftoverOfDeadProcess_IsRemoved()
    {
        File.WriteAllText(_folder[".x.0000abcd.offload-tmp"], "left by a killed process");
        File.WriteAllText(_folder[".xy.0000abcd.offload-tmp"], "of another file");
        File.WriteAllText(_folder[".x.notes.offload-tmp"], "not ours");

        AtomicFile.Write(_folder["x"], "new"u8);

        Assert.Equal([".x.notes.offload-tmp", ".xy.0000abcd.offload-tmp", "x"], _folder.Names);
    }

    [Fact]
    public void Constructor_WhileAnotherWrites_LeavesItsFileAlone()
    {
        using var first = new AtomicFile(_folder["x"]);
        first.WriteAt(0, "first"u8);

        AtomicFile.Write(_folder["x"], "second"u8);
        first.Commit();

        Assert.Equal("first", File.ReadAllText(_folder["x"]));
        Assert.Equal(["x"], _folder.Names);
    }

    [Fact]
    public void Constructor_FolderMissing_NamesPathAndErrno()
    {
        var error = Assert.Throws<StorageException>(() => new AtomicFile(_folder["none/x"]));

        Assert.Equal(_folder["none/x"], error.Path);
        Assert.Contains("ENOENT (2)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Commit_TargetIsFolder_FailsAndLeavesNothing()
    {
        Directory.CreateDirectory(_folder["x"]);
        using (var file = new AtomicFile(_folder["x"]))
        {
            Assert.Throws<StorageException>(file.Commit);
        }

        Assert.Equal(["x"], _folder.Names);
    }

    [Fact]
    public void WriteAt_DiskFull_NamesOffsetAndErrnoAndKeepsPreviousFile()
    {
        File.WriteAllText(_folder["x"], "previous");
        var disk = new FillingDisk();
        using (AtomicFile file = disk.Create(_folder["x"]))
        {
            file.WriteAt(0, "fits"u8);
            disk.Fill();
            var error = Assert.Throws<StorageException>(() => file.WriteAt(4, "does not"u8));
            Assert.Contains("write 8 bytes at offset 4: ENOSPC (28): No space left on device", error.Message, StringComparison.Ordinal);
        }

        Assert.Equal("previous", File.ReadAllText(_folder["x"]));
        Assert.Equal(["x"], _folder.Names);
    }
}
