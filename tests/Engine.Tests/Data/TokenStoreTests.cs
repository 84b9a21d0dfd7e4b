using Offload.Engine.Data;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Tests.Data;

public sealed class TokenStoreTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65536)]
    [InlineData(200_000)]
    public void Write_ThenOpen_GivesTheSameIds(int count)
    {
        int[] ids = [.. Enumerable.Range(0, count).Select(index => index * 7)];
        Write("tokens", ids, chunk: 1 + (count / 3));
        using TokenStore store = TokenStore.Open(_folder["tokens"]);

        Assert.Equal(ids, CorpusTokenizerTests.ReadAll(store));
        if (count > 10)
        {
            int[] some = new int[5];
            store.Read(count - 5, some);
            Assert.Equal(ids[^5..], some);
            Assert.Throws<ArgumentOutOfRangeException>(() => store.Read(count - 4, some));
            Assert.Throws<ArgumentOutOfRangeException>(() => store.Read(-1, some));
        }
    }

    [Fact]
    public void Open_FileIsNotWhole_IsAMismatch()
    {
        Write("tokens", [1, 2, 3], chunk: 3);
        byte[] bytes = File.ReadAllBytes(_folder["tokens"]);
        byte[] otherVersion = [.. bytes];
        otherVersion[8] = 2;
        foreach ((byte[] content, string problem) in new[]
        {
            (bytes[..^1], "expected 3 tokens of 4 bytes after 32 bytes of header, found a file of 43 bytes"),
            (bytes[..^4], "expected 3 tokens"),
            ([.. bytes, 0, 0, 0, 0], "expected 3 tokens"),
            (bytes[..31], "not a token file"),
            ([], "not a token file"),
            ("XXXXXXXX"u8.ToArray().Concat(bytes[8..]).ToArray(), "not a token file"),
            (otherVersion, "expected version 1, found 2"),
        })
        {
            string path = _folder.Write("bad", content);
            var error = Assert.Throws<StoreMismatchException>(() => TokenStore.Open(path));
            Assert.StartsWith($"{path}: {problem}", error.Message, StringComparison.Ordinal);
            Assert.Equal(ExitCode.Store, error.ExitCode);
        }
    }

    [Fact]
    public void Open_Missing_SaysSo() => Assert.Throws<UnreadableInputException>(() => TokenStore.Open(_folder["missing"]));

    [Fact]
    public void Read_FileHasShrunk_IsAStorageError()
    {
        Write("tokens", [1, 2, 3], chunk: 3);
        using TokenStore store = TokenStore.Open(_folder["tokens"]);
        using (var file = new FileStream(_folder["tokens"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(36);
        }

        var error = Assert.Throws<StorageException>(() => CorpusTokenizerTests.ReadAll(store));
        Assert.Contains("cannot read 12 bytes at offset 32: only 4 bytes came", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_NotCompleted_LeavesTheFileBeforeAndNothingElse()
    {
        Write("tokens", [1, 2, 3], chunk: 3);
        using (var writer = new TokenStoreWriter(_folder["tokens"]))
        {
            writer.Append([4]);
        }

        using TokenStore store = TokenStore.Open(_folder["tokens"]);
        Assert.Equal([1, 2, 3], CorpusTokenizerTests.ReadAll(store));
        Assert.Equal([_folder["tokens"]], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void Write_FolderCannotBeMade_NamesIt()
    {
        string file = _folder.Write("file", [1]);
        var error = Assert.Throws<StorageException>(() => new TokenStoreWriter(Path.Combine(file, "tokens")));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }

    private void Write(string name, int[] ids, int chunk)
    {
        using var writer = new TokenStoreWriter(_folder[name]);
        for (int start = 0; start < ids.Length; start += chunk)
        {
            writer.Append(ids.AsSpan(start, Math.Min(chunk, ids.Length - start)));
        }

        writer.Complete();
    }
}
