using System.Text;
using Offload.Engine.Data;
using Offload.Storage;

namespace Offload.Engine.Tests.Data;

public sealed class TextReaderTests : IDisposable
{
    private const int LargeEnough = 1 << 20;

    private readonly TempFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("one\ntwo\nthree", 1, "one\n|two\n|three")]
    [InlineData("one\ntwo\nthree", 4, "one\ntwo\n|three")]
    [InlineData("one\n\ntwo", 1, "one\n\ntwo")]
    [InlineData("one\r\ntwo", 1, "one\r\ntwo")]
    [InlineData("one \ntwo", 1, "one \ntwo")]
    [InlineData("one\n two", 1, "one\n two")]
    [InlineData("one\n\u00A0two", 1, "one\n\u00A0two")]
    [InlineData("one\u3000\ntwo", 1, "one\u3000\ntwo")]
    [InlineData("\u00E9\n\u4E2D\n\U0001F600\nx", 1, "\u00E9\n|\u4E2D\n|\U0001F600\n|x")]
    [InlineData("one\n", 1, "one\n")]
    [InlineData("\none", 1, "\none")]
    public async Task ReadPlainText_Pieces_CutOnlyBetweenNonSpaces(string text, int pieceBytes, string expected)
    {
        string path = _folder.Write("a.txt", text);
        List<TextPiece> pieces = await Collect(PlainTextReader.ReadAsync(path, canSplit: true, pieceBytes, LargeEnough, Cancellation));

        Assert.Equal(expected, string.Join('|', pieces.Select(piece => piece.Text)));
        Assert.All(pieces, (piece, index) => Assert.Equal((index == 0, index == pieces.Count - 1), (piece.BeginsDocument, piece.EndsDocument)));
        Assert.Equal(new FileInfo(path).Length, pieces.Sum(piece => piece.NumBytes));
    }

    [Fact]
    public async Task ReadPlainText_Piecewise_GivesTheIdsOfTheWhole()
    {
        // Longer than the reader's buffers, all kinds of breaks, pieces of many sizes.
        var random = new Random(5);
        string[] parts = ["word", "\n", " ", "\r\n", "\u4E2D\u6587", "\t", "\u00A0", "x", "\n\n", "\n", "\U0001F600", "\u3000"];
        var text = new StringBuilder();
        while (text.Length < 600_000)
        {
            text.Append(parts[random.Next(parts.Length)]);
        }

        string path = _folder.Write("a.txt", text.ToString());
        var tokenizer = new WordTokenizer();
        var whole = new List<int>();
        tokenizer.Encode(text.ToString(), whole);
        foreach (int pieceBytes in new[] { 997, 4096, 100_000, 300_000, 5_000_000 })
        {
            List<TextPiece> pieces = await Collect(PlainTextReader.ReadAsync(path, canSplit: true, pieceBytes, LargeEnough, Cancellation));
            var ids = new List<int>();
            foreach (TextPiece piece in pieces)
            {
                tokenizer.Encode(piece.Text, ids);
            }

            Assert.Equal(whole, ids);
            Assert.True(pieces.Count > 300_000 / pieceBytes);
        }
    }

    [Fact]
    public async Task ReadPlainText_TokenizerCannotSplit_IsOnePiece()
    {
        string text = string.Concat(Enumerable.Repeat("line\n", 300_000));
        string path = _folder.Write("a.txt", text);

        TextPiece piece = Assert.Single(await Collect(PlainTextReader.ReadAsync(path, canSplit: false, 1000, 1 << 24, Cancellation)));
        Assert.Equal(text, piece.Text);
    }

    [Theory]
    [InlineData(true, "more than 400000 bytes from offset 0 without a line break between two non-space characters")]
    [InlineData(false, "more than 400000 bytes, and this tokenizer needs the whole document at once")]
    public async Task ReadPlainText_TooLongWithoutACut_IsRefused(bool canSplit, string problem)
    {
        string path = _folder.Write("a.txt", string.Concat(Enumerable.Repeat("line\r\n", 200_000)));
        var error = await Assert.ThrowsAsync<UnreadableInputException>(() => Collect(PlainTextReader.ReadAsync(path, canSplit, 1000, 400_000, Cancellation)));

        Assert.Equal($"{path}: {problem}", error.Message);
    }

    [Fact]
    public async Task ReadJsonLines_LinesAcrossBuffers_AreWhole()
    {
        var random = new Random(6);
        string[] texts = [.. Enumerable.Range(0, 400).Select(index => new string((char)('a' + (index % 26)), 1 + random.Next(index % 50 == 0 ? 900_000 : 3000)))];
        string path = _folder.Write("a.jsonl", string.Join('\n', texts.Select(text => $"{{\"text\":\"{text}\"}}")) + "\n");
        List<TextPiece> pieces = await Collect(JsonLinesReader.ReadAsync(path, LargeEnough, Cancellation));

        Assert.Equal(texts, pieces.Select(piece => piece.Text));
        Assert.Equal(new FileInfo(path).Length, pieces.Sum(piece => piece.NumBytes));
        Assert.Equal($"{path}:400", pieces[^1].Where);
    }

    [Fact]
    public async Task ReadJsonLines_LineTooLong_IsRefusedByItsNumber()
    {
        string path = _folder.Write("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"" + new string('x', 700_000) + "\"}\n");
        var error = await Assert.ThrowsAsync<UnreadableInputException>(() => Collect(JsonLinesReader.ReadAsync(path, 500_000, Cancellation)));

        Assert.Equal($"{path}:2: the line is longer than 500000 bytes", error.Message);
    }

    private static async Task<List<TextPiece>> Collect(IAsyncEnumerable<TextPiece> pieces)
    {
        var list = new List<TextPiece>();
        await foreach (TextPiece piece in pieces)
        {
            list.Add(piece);
        }

        return list;
    }
}
