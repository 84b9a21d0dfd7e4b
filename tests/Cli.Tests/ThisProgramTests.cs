namespace Offload.Cli.Tests;

public sealed class ThisProgramTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("offload-this-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("/a/b-1.0/model", "/a/b-1.0/model")]
    [InlineData("my run/model", "'my run/model'")]
    [InlineData("it's", @"'it'\''s'")]
    [InlineData("$HOME", "'$HOME'")]
    [InlineData("", "''")]
    public void Quote_Word_IsReadBackByAShell(string word, string quoted) => Assert.Equal(quoted, ThisProgram.Quote(word));

    [Fact]
    public void Find_OnThePath_IsItsName()
    {
        string program = Program("bin");
        Directory.CreateDirectory(Path.Combine(_folder, "links"));
        File.CreateSymbolicLink(Path.Combine(_folder, "links", "offload"), program);

        Assert.Equal("offload", ThisProgram.Find(program, _folder, $"/absent:{_folder}/bin"));
        Assert.Equal("offload", ThisProgram.Find(program, _folder, $"{_folder}/links"));
    }

    [Fact]
    public void Find_AnotherProgramOfThatNameOnThePath_IsNotTaken()
    {
        Program("other");

        Assert.Equal($"dotnet {_folder}/bin/offload.dll", ThisProgram.Find(Program("bin"), $"{_folder}/bin/", $"{_folder}/other"));
    }

    [Fact]
    public void Find_NetInside_IsThePath()
    {
        string program = Program("with net");
        File.WriteAllText(Path.Combine(_folder, "with net", "libhostpolicy.so"), "");

        Assert.Equal($"'{program}'", ThisProgram.Find(program, $"{_folder}/with net/", ""));
    }

    private string Program(string folder)
    {
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, folder)).FullName, "offload");
        File.WriteAllText(path, "");
        return path;
    }
}
