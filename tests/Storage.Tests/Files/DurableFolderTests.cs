using Offload.Storage.Files;

namespace Offload.Storage.Tests.Files;

public sealed class DurableFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a/b/c")]
    [InlineData("a/b/c/")]
    public void Create_MissingParents_MakesThemAndMayBeCalledAgain(string path)
    {
        DurableFolder.Create(_folder[path]);
        DurableFolder.Create(_folder[path]);

        Assert.True(Directory.Exists(_folder["a/b/c"]));
    }

    [Fact]
    public void Create_BelowAFile_NamesTheFolder()
    {
        File.WriteAllText(_folder["file"], "");

        var error = Assert.Throws<StorageException>(() => DurableFolder.Create(_folder["file/a"]));

        Assert.StartsWith(_folder["file"], error.Message);
        Assert.Contains("make the folder", error.Message);
    }
}
