using System.Text;
using Offload.Engine.Data;
using Offload.Engine.Tokenization;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Tests.Data;

public sealed class CorpusTokenizerTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Tokenize_TxtAndJsonl_PutsDocumentsBetweenBeginAndEnd()
    {
        string text = _folder.Write("a.TXT", "\uFEFFab\r\n");
        string lines = _folder.Write("b.jsonl", "\uFEFF{\"text\":\"x\"}\r\n\n  \t\n{\"id\":[1,{\"text\":2}],\"text\":\"\\u00e9\"}\n{\"text\":\"\"}\n{\"text\":\"last\"}");
        using TokenStore store = await Tokenize([text, lines], new ByteTokenizer(256, 257), 258, _folder["new/tokens"]);

        int[] expected = [256, 'a', 'b', '\r', '\n', 257, 256, 'x', 257, 256, 0xC3, 0xA9, 257, 256, 'l', 'a', 's', 't', 257];
        Assert.Equal(expected, ReadAll(store));
        Assert.Equal(["tokens"], Directory.GetFiles(_folder["new"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Tokenize_SameText_HasSameHashAndOtherTextAnother()
    {
        string a = _folder.Write("a.txt", "one");
        string b = _folder.Write("b.txt", "onf");
        using TokenStore first = await Tokenize(a, "1");
        using TokenStore again = await Tokenize(a, "2");
        using TokenStore other = await Tokenize(b, "3");

        Assert.Equal(first.ContentHash, again.ContentHash);
        Assert.NotEqual(first.ContentHash, other.ContentHash);
    }

    [Fact]
    public async Task Tokenize_Progress_EndsAtAllBytes()
    {
        string text = _folder.Write("a.txt", "abc");
        var reports = new List<TokenizingProgress>();
        using TokenStore store = await Tokenize([text, text], new ByteTokenizer(), 256, _folder["tokens"], new Reports(reports));

        Assert.Equal(new TokenizingProgress(6, 6, 6), reports[^1]);
    }

    [Fact]
    public async Task Tokenize_IdOutsideTheModelsVocabulary_SaysThatTheyDoNotMatch()
    {
        string path = _folder.Write("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"z\"}\n");
        var error = await Assert.ThrowsAsync<UnreadableInputException>(() => Tokenize([path], new ByteTokenizer(), 'z', _folder["tokens"]));

        Assert.Equal($"{path}:2: the tokenizer does not match the model: it gives id 122, the model's vocabulary has 122 ids", error.Message);
        Assert.Equal([path], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task Tokenize_Cancelled_LeavesNoFile()
    {
        string path = _folder.Write("a.txt", "abc");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => CorpusTokenizer.TokenizeAsync([path], new ByteTokenizer(), 256, _folder["tokens"], null, new CancellationToken(canceled: true)));

        Assert.Equal([path], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task Tokenize_TokenizerFails_ItsOwnErrorComesThrough()
    {
        string path = _folder.Write("a.txt", "abc");
        await Assert.ThrowsAsync<NotSupportedException>(() => Tokenize([path], new BrokenTokenizer(), 256, _folder["tokens"]));
    }

    [Fact]
    public async Task Tokenize_FolderIsAFile_IsAStorageError()
    {
        string path = _folder.Write("a.txt", "abc");
        var error = await Assert.ThrowsAsync<StorageException>(() => Tokenize([path], new ByteTokenizer(), 256, Path.Combine(path, "tokens")));

        Assert.Contains("cannot create the token file's folder", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failed, error.ExitCode);
    }

    [Theory]
    [InlineData("missing.txt", null, "no such data file")]
    [InlineData("a.csv", "x", "unknown kind of data file: expected the extension .txt or .jsonl, found .csv")]
    [InlineData("noextension", "x", "unknown kind of data file: expected the extension .txt or .jsonl, found none")]
    [InlineData("empty.txt", "", "the data file is empty")]
    [InlineData("empty.jsonl", "", "the data file is empty")]
    [InlineData("bom.txt", "\uFEFF", "the data file is empty")]
    [InlineData("blank.jsonl", "\n \n{\"text\":\"\"}\n", "the data file holds no documents: every line is blank or has an empty text")]
    public async Task Tokenize_FileWithoutDocuments_SaysSo(string name, string? content, string problem)
    {
        string path = content is null ? _folder[name] : _folder.Write(name, content);
        var error = await Assert.ThrowsAsync<UnreadableInputException>(() => Tokenize(path, "tokens"));

        Assert.Equal($"{path}: {problem}", error.Message);
        Assert.False(File.Exists(_folder["tokens.partial"]));
    }

    [Fact]
    public async Task Tokenize_Folder_SaysWhatWasExpected()
    {
        var error = await Assert.ThrowsAsync<UnreadableInputException>(() => Tokenize(_folder.Path, "tokens"));

        Assert.Equal($"{_folder.Path}: is a folder; expected a .txt or .jsonl file", error.Message);
    }

    [Theory]
    [InlineData("hello", "not JSON (byte 1 of the line)")]
    [InlineData("{\"text\":\"x\"", "not JSON (byte 12 of the line)")]
    [InlineData("{\"text\":\"x\"} {\"text\":\"y\"}", "not JSON (byte 14 of the line)")]
    [InlineData("[\"text\"]", "expected a JSON object with a field \"text\", found an array")]
    [InlineData("\"text\"", "expected a JSON object with a field \"text\", found a string")]
    [InlineData("null", "expected a JSON object with a field \"text\", found null")]
    [InlineData("{}", "no field \"text\"; found no fields")]
    [InlineData("{\"content\":\"x\",\"Text\":\"y\"}", "no field \"text\"; found \"content\", \"Text\"")]
    [InlineData("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\\n\":1,\"j\":1}", "no field \"text\"; found \"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\" and 2 more")]
    [InlineData("{\"text\":5}", "field \"text\": expected a string, found a number")]
    [InlineData("{\"text\":null}", "field \"text\": expected a string, found null")]
    [InlineData("{\"text\":[\"x\"]}", "field \"text\": expected a string, found an array")]
    [InlineData("{\"text\":true}", "field \"text\": expected a string, found true or false")]
    [InlineData("{\"text\":\"\\ud800\"}", "field \"text\": an escape names half of a surrogate pair, which is no character")]
    public async Task Tokenize_LineIsWrong_NamesFileAndLine(string line, string problem)
    {
        string path = _folder.Write("a.jsonl", "{\"text\":\"fine\"}\n\n" + line + "\n");
        var error = await Assert.ThrowsAsync<UnreadableInputException>(() => Tokenize(path, "tokens"));

        Assert.Equal($"{path}:3: {problem}", error.Message);
        Assert.Equal(ExitCode.UnreadableInput, error.ExitCode);
    }

    [Fact]
    public async Task Tokenize_InvalidUtf8_NamesTheByte()
    {
        string text = _folder.Write("a.txt", [0xEF, 0xBB, 0xBF, (byte)'a', 0xC3, 0xA9, 0xC3, (byte)'b']);
        string lines = _folder.Write("a.jsonl", [.. "\n{\"t\":\""u8, 0xFF, .. "\",\"text\":\"\"}"u8]);

        Assert.Equal($"{text}: not UTF-8: invalid byte 0xC3 at byte offset 6", (await Assert.ThrowsAsync<UnreadableInputException>(() => Tokenize(text, "tokens"))).Message);
        Assert.Equal($"{lines}:2: not UTF-8: invalid byte 0xFF at byte 7 of the line", (await Assert.ThrowsAsync<UnreadableInputException>(() => Tokenize(lines, "tokens"))).Message);
    }

    [Fact]
    public async Task Tokenize_InvalidUtf8BehindTheFirstPiece_NamesTheOffsetInTheFile()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("a line of text\n", 200_000)));
        bytes[2_500_001] = 0x80;
        string path = _folder.Write("a.txt", bytes);

        var error = await Assert.ThrowsAsync<UnreadableInputException>(() => Tokenize(path, "tokens"));
        Assert.Equal($"{path}: not UTF-8: invalid byte 0x80 at byte offset 2500001", error.Message);
    }

    internal static int[] ReadAll(TokenStore store)
    {
        int[] ids = new int[store.NumTokens];
        store.Read(0, ids);
        return ids;
    }

    private static Task<TokenStore> Tokenize(string[] paths, ITokenizer tokenizer, int modelVocabularySize, string tokenPath, IProgress<TokenizingProgress>? progress = null) =>
        CorpusTokenizer.TokenizeAsync(paths, tokenizer, modelVocabularySize, tokenPath, progress, TestContext.Current.CancellationToken);

    private Task<TokenStore> Tokenize(string path, string name) => Tokenize([path], new ByteTokenizer(), 256, _folder[name]);

    private sealed class Reports(List<TokenizingProgress> reports) : IProgress<TokenizingProgress>
    {
        public void Report(TokenizingProgress value) => reports.Add(value);
    }

    private sealed class BrokenTokenizer : ITokenizer
    {
        public int VocabularySize => 1;

        public int? BeginOfTextId => null;

        public int? EndOfTextId => null;

        public bool CanSplitAtLineBreaks => true;

        public void Encode(string text, List<int> ids) => throw new NotSupportedException();

        public string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = false) => "";
    }
}
