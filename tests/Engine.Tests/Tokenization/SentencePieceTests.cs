using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using FsCheck.Xunit;
using Offload.Engine.Tokenization;
using Offload.Storage;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Tokenization;

public class SentencePieceTests
{
    private const int FirstPiece = 259;
    private static readonly string[] Pieces = ["\u2581\u2581", "ab", "\u2581ab", "\u2581", "a", "b", "\U0001F642", "\n"];

    private static readonly Lazy<ITokenizer> Small = new(() =>
    {
        using var folder = new TokenizerFolder();
        return Load(folder, Model());
    });

    [Theory]
    [InlineData("ab", new[] { 261 })]
    [InlineData("abab", new[] { 261, 260 })]
    [InlineData("  ab", new[] { 259, 261 })]
    [InlineData("   ab", new[] { 259, 259, 260 })]
    [InlineData("\u00E9", new[] { 262, 3 + 0xC3, 3 + 0xA9 })]
    [InlineData("\U0001F642\U0001F643", new[] { 262, 265, 3 + 0xF0, 3 + 0x9F, 3 + 0x99, 3 + 0x83 })]
    [InlineData("<s>ab</s>", new[] { 1, 261, 2 })]
    [InlineData("", new int[0])]
    public void Encode_ModelAlone_PrefixBeforeEachStretch(string text, int[] expected)
    {
        using var folder = new TokenizerFolder();
        ITokenizer tokenizer = Load(folder, Model());

        Assert.Equal(expected, tokenizer.Ids(text));
        Assert.False(tokenizer.CanSplitAtLineBreaks);
        Assert.Equal(1, tokenizer.BeginOfTextId);
        Assert.Equal(2, tokenizer.EndOfTextId);
        Assert.Equal(FirstPiece + Pieces.Length, tokenizer.VocabularySize);
    }

    [Fact]
    public void Encode_NotLegacy_PrefixBeforeTheTextOnly()
    {
        using var folder = new TokenizerFolder();
        folder.Config("""{"legacy":false,"add_bos_token":false,"eos_token":"</s>"}""");
        ITokenizer tokenizer = Load(folder, Model());

        Assert.Equal([261, 1, 260], tokenizer.Ids("ab<s>ab"));
        Assert.Equal([261], tokenizer.Ids(" ab"));
        Assert.Null(tokenizer.BeginOfTextId);
        Assert.Equal(2, tokenizer.EndOfTextId);
    }

    [Theory]
    [InlineData(new[] { 261, 260 }, "abab")]
    [InlineData(new[] { 1, 261 }, "<s> ab")]
    [InlineData(new[] { 260, 3 + 0xC3, 3 + 0xA9, 260 }, "ab\u00E9ab")]
    [InlineData(new[] { 260, 3 + 0xE2, 3 + 0x82, 260 }, "ab\uFFFD\uFFFDab")]
    public void Decode_Ids_AsTheLibrary(int[] ids, string expected)
    {
        using var folder = new TokenizerFolder();

        Assert.Equal(expected, Load(folder, Model()).Decode(ids));
    }

    [Property(MaxTest = 100)]
    public void Decode_OfEncode_IsTheText(int seed)
    {
        ITokenizer tokenizer = Small.Value;
        string text = RandomText.Create(seed);

        Assert.Equal(text, tokenizer.Decode(tokenizer.Ids(text)));
    }

    [Theory]
    [InlineData("kind is not BPE")]
    [InlineData("character map")]
    [InlineData("removes extra white space")]
    [InlineData("keeps spaces")]
    [InlineData("no prefix space")]
    [InlineData("one piece for each byte")]
    [InlineData("one unknown piece")]
    [InlineData("plain space")]
    [InlineData("occurs twice")]
    public void Load_UnsupportedModel_SaysWhy(string expected)
    {
        byte[] model = expected switch
        {
            "kind is not BPE" => Model(kind: 1),
            "character map" => [.. Model(), .. Field(3, Field(2, [1]))],
            "removes extra white space" => [.. Model(), .. Field(3, Number(4, 1))],
            "keeps spaces" => [.. Model(), .. Field(3, [.. Number(4, 0), .. Number(5, 0)])],
            "no prefix space" => [.. Model(), .. Field(3, [.. Number(4, 0), .. Number(3, 0)])],
            "one piece for each byte" => Model(numBytes: 255),
            "one unknown piece" => [.. Model(), .. Piece("<unk2>", 0, 2)],
            "plain space" => [.. Model(), .. Piece("a b", 0, 1)],
            _ => [.. Model(), .. Piece("ab", 0, 1)],
        };
        using var folder = new TokenizerFolder();

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => Load(folder, model));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("tokenizer.model", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TruncatedAnywhereBeforeTheLastPieces_Refused()
    {
        byte[] model = Model();
        int lengthOfPieces = Pieces.Sum(piece => Piece(piece, 0, 1).Length);
        for (int length = 0; length < model.Length - lengthOfPieces; length += 7)
        {
            using var folder = new TokenizerFolder();
            Assert.Throws<UnreadableInputException>(() => Load(folder, model[..length]));
        }
    }

    [Fact]
    public void Load_ByteFallbackJsonWithoutModel_Refused()
    {
        using var folder = new TokenizerFolder();
        folder.Write("tokenizer.json", File.ReadAllText(Path.Combine(GoldenJson, "tokenizer.json")));

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => TokenizerLoader.Load(folder.Path));

        Assert.Contains("model.byte_fallback", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("normalizer", "null", "neither a normalizer nor a pre_tokenizer")]
    [InlineData("normalizer", """{"type":"NFC"}""", "normalizer: the type 'NFC'")]
    [InlineData("normalizer", """{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"}]}""", "expected Prepend, Replace")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true}""", "pre_tokenizer: only a Metaspace")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel"}""", "pre_tokenizer: the type 'ByteLevel'")]
    [InlineData("model.vocab.<s>", "7", "model.vocab.<s>: expected the id 1 of tokenizer.model, found 7")]
    [InlineData("model.vocab.new", "7", "model.vocab.new: the token is not in tokenizer.model")]
    [InlineData("model.vocab", "{}", "model.vocab: expected the 348 pieces of tokenizer.model, found 0 tokens")]
    [InlineData("model.merges", """[["\u2581","qqq"]]""", "model.merges[0]: the token 'qqq' is not in the vocabulary")]
    [InlineData("model.merges", "null", "'merges' is missing")]
    [InlineData("model.ignore_merges", "true", "model.ignore_merges: true is not supported")]
    [InlineData("model.dropout", "0.1", "model.dropout: 0.1 is not supported")]
    [InlineData("normalizer.normalizers", """[{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]""", "normalizers[0].prepend: expected \"\u2581\"")]
    [InlineData("normalizer.normalizers", """[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":"a"},"content":"\u2581"}]""", "normalizers[1].pattern.String: expected \" \", found \"a\"")]
    [InlineData("normalizer.normalizers", """[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"Regex":" "},"content":"\u2581"}]""", "normalizers[1].pattern: the field 'String' is missing")]
    [InlineData("normalizer.normalizers", """[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]""", "normalizers[1].content: expected \"\u2581\", found \"_\"")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false}""", "pre_tokenizer.replacement: expected \"\u2581\"")]
    [InlineData("decoder", "null", "the field 'decoder' is missing")]
    [InlineData("decoder", """{"type":"ByteLevel"}""", "decoder: the type 'ByteLevel'")]
    [InlineData("decoder.decoders", """[{"type":"ByteFallback"},{"type":"Fuse"}]""", "decoder.decoders: expected Replace, ByteFallback, Fuse, Strip")]
    [InlineData("decoder.decoders", """[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":2,"stop":0}]""", "decoders[3]: expected one space stripped")]
    [InlineData("added_tokens", """[{"id":7,"content":"<s>"}]""", "'<s>' has the id 7, expected 1")]
    [InlineData("added_tokens", """[{"id":400,"content":"a b","normalized":true}]""", "added_tokens[0].id: 'a b' has the id 400")]
    public void Load_JsonBesideModel_UnsupportedPartRefused(string name, string value, string expected)
    {
        using var folder = new TokenizerFolder();
        File.Copy(Path.Combine(GoldenJson, "tokenizer.model"), Path.Combine(folder.Path, "tokenizer.model"));
        JsonNode root = JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenJson, "tokenizer.json")))!;
        string[] names = name.Split('.');
        names[..^1].Aggregate(root, (node, part) => node[part]!)[names[^1]] = JsonNode.Parse(value);
        folder.Write("tokenizer.json", root.ToJsonString());

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => TokenizerLoader.Load(folder.Path));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[\"a b\",\"\u2581 ab\"]", new[] { 261, 260 })]
    [InlineData("[[\"\u2581\",\"\u2581\"]]", new[] { 262, 263, 264, 263, 264 })]
    public void Encode_JsonBesideModel_MergesAreTheJsons(string merges, int[] expected)
    {
        using var folder = new TokenizerFolder();
        JsonNode root = JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenJson, "tokenizer.json")))!;
        string[] tokens = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"), .. Pieces];
        root["model"]!["vocab"] = new JsonObject(tokens.Select((token, id) => KeyValuePair.Create<string, JsonNode?>(token, id)));
        root["model"]!["merges"] = JsonNode.Parse(merges);
        root["added_tokens"] = JsonNode.Parse("""[{"id":1,"content":"<s>","special":true,"normalized":false}]""");
        folder.Write("tokenizer.json", root.ToJsonString());

        Assert.Equal(expected, Load(folder, Model()).Ids("abab"));
    }

    [Fact]
    public void Load_LongPiece_Refused()
    {
        using var folder = new TokenizerFolder();
        byte[] piece = Encoding.UTF8.GetBytes(new string('a', 257));
        byte[] content = [(1 << 3) | 2, 0x81, 0x02, .. piece];

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(
            () => Load(folder, [.. Model(), (1 << 3) | 2, (byte)(0x80 | (content.Length & 0x7F)), (byte)(content.Length >> 7), .. content]));

        Assert.Contains("a piece has more than 256 UTF-16 units", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_MoreAstralCharactersThanPrivateUnits_Refused()
    {
        using var folder = new TokenizerFolder();
        byte[] model = [.. Model(), .. Enumerable.Range(0x20000, 6401).SelectMany(rune => Piece(char.ConvertFromUtf32(rune), 0, 1))];

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => Load(folder, model));

        Assert.Contains("more than 6400 characters are beyond U+FFFF", error.Message, StringComparison.Ordinal);
    }

    private static string GoldenJson => Path.Combine(GoldenFolder.Repository, "tokenizer-sentencepiece");

    private static ITokenizer Load(TokenizerFolder folder, byte[] model)
    {
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), model);
        return TokenizerLoader.Load(folder.Path);
    }

    private static byte[] Model(int kind = 2, int numBytes = 256) =>
    [
        .. Field(2, Number(3, kind)),
        .. Field(3, [.. Number(3, 1), .. Number(4, 0), .. Number(5, 1)]),
        .. Piece("<unk>", 0, 2),
        .. Piece("<s>", 0, 3),
        .. Piece("</s>", 0, 3),
        .. Enumerable.Range(0, numBytes).SelectMany(value => Piece($"<0x{value:X2}>", 0, 6)),
        .. Pieces.SelectMany((piece, rank) => Piece(piece, -rank, 1)),
    ];

    private static byte[] Piece(string text, float score, int kind)
    {
        byte[] bytes = new byte[5];
        bytes[0] = (2 << 3) | 5;
        BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(1), score);
        return Field(1, [.. Field(1, Encoding.UTF8.GetBytes(text)), .. bytes, .. Number(3, kind)]);
    }

    private static byte[] Field(int number, byte[] content) => [(byte)((number << 3) | 2), (byte)content.Length, .. content];

    private static byte[] Number(int number, int value) => [(byte)(number << 3), (byte)value];
}
