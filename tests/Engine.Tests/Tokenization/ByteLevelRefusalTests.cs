using System.Text.Json.Nodes;
using Offload.Storage;

namespace Offload.Engine.Tests.Tokenization;

public class ByteLevelRefusalTests
{
    [Theory]
    [InlineData("model", """{"type":"WordPiece"}""", "model: the type 'WordPiece'")]
    [InlineData("model", """{"type":"Unigram","vocab":[]}""", "model: the type 'Unigram'")]
    [InlineData("model", "null", "'model' is missing")]
    [InlineData("model", "3", "model: expected an object, found 3")]
    [InlineData("model.vocab", "null", "model: the field 'vocab' is missing")]
    [InlineData("model.vocab", "[]", "model.vocab: expected an object")]
    [InlineData("model.vocab.a", "\"x\"", "model.vocab.a: expected an integer, found \"x\"")]
    [InlineData("model.vocab.a", "1.5", "model.vocab.a: expected an integer")]
    [InlineData("model.vocab.a", "98", "model.vocab.b: the id 98 is also that of 'a'")]
    [InlineData("model.vocab.a", "-1", "is not between")]
    [InlineData("model.vocab.a", "2000000000", "is not between")]
    [InlineData("model.vocab", """{"a":0}""", "model.vocab: 242 of the 243 bytes")]
    [InlineData("model.merges", "null", "'merges' is missing")]
    [InlineData("model.merges", "[\"a\"]", "model.merges[0]: expected two tokens, found 1")]
    [InlineData("model.merges", "[\"a b c\"]", "model.merges[0]: expected two tokens, found 3")]
    [InlineData("model.merges", "[[\"a\",\"b\"]]", "model.merges[0]: the token 'ab' is not in the vocabulary")]
    [InlineData("model.merges", "[\"qq b\"]", "model.merges[0]: the token 'qq' is not in the vocabulary")]
    [InlineData("model.merges", "[7]", "model.merges[0]: expected a string, found 7")]
    [InlineData("model.dropout", "0.1", "model.dropout: 0.1 is not supported")]
    [InlineData("model.byte_fallback", "true", "model.byte_fallback: true is not supported")]
    [InlineData("model.fuse_unk", "true", "model.fuse_unk: true is not supported")]
    [InlineData("model.continuing_subword_prefix", "\"##\"", "model.continuing_subword_prefix: \"##\" is not supported")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix: \"</w>\" is not supported")]
    [InlineData("model.ignore_merges", "1", "model.ignore_merges: expected true or false")]
    [InlineData("normalizer", """{"type":"NFKC"}""", "normalizer: the type 'NFKC'")]
    [InlineData("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]}""", "normalizer.normalizers[1]: the type 'Lowercase'")]
    [InlineData("pre_tokenizer", "null", "pre_tokenizer is null")]
    [InlineData("pre_tokenizer", """{"type":"Whitespace"}""", "pre_tokenizer: the type 'Whitespace'")]
    [InlineData("pre_tokenizer", """{"type":"Digits","individual_digits":true}""", "pre_tokenizer: has no ByteLevel")]
    [InlineData("pre_tokenizer.add_prefix_space", "null", "pre_tokenizer: the field 'add_prefix_space' is missing")]
    [InlineData("decoder", "null", "decoder is null")]
    [InlineData("decoder", """{"type":"WordPiece"}""", "decoder: the type 'WordPiece'")]
    [InlineData("post_processor", """{"type":"BertProcessing"}""", "post_processor: the type 'BertProcessing'")]
    [InlineData("post_processor", """{"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"RobertaProcessing"}]}""", "post_processor.processors[1]: the type 'RobertaProcessing'")]
    [InlineData("added_tokens", """[{"id":256}]""", "added_tokens[0]: the field 'content' is missing")]
    [InlineData("added_tokens", """[{"id":300,"content":"<x>"}]""", "added_tokens[0].id: '<x>' has the id 300, expected 256")]
    [InlineData("added_tokens", """[{"id":5,"content":"a"}]""", "added_tokens[0].id: 'a' has the id 5, expected 97")]
    [InlineData("added_tokens", """[{"id":256,"content":"<x>"},{"id":256,"content":"<x>"}]""", "added_tokens[1]: '<x>' is added twice")]
    public void Load_UnsupportedOrMalformedPart_NamesFileAndPath(string path, string value, string expected)
    {
        using var folder = new TokenizerFolder();
        string[] names = path.Split('.');
        JsonNode parent = names[..^1].Aggregate((JsonNode)folder.Root, (node, name) => node[name]!);
        parent[names[^1]] = JsonNode.Parse(value);

        AssertRefused(folder, expected);
    }

    [Theory]
    [InlineData("behavior", "\"Removed\"", "pre_tokenizer.pretokenizers[0].behavior: 'Removed'")]
    [InlineData("invert", "true", "pre_tokenizer.pretokenizers[0].invert: true")]
    [InlineData("pattern", """{"String":" "}""", "pre_tokenizer.pretokenizers[0].pattern: only a Regex")]
    [InlineData("pattern", """{"Regex":"\\w+"}""", @"pre_tokenizer.pretokenizers[0].pattern.Regex: the pattern has \w")]
    public void Load_UnsupportedSplit_NamesFileAndPath(string name, string value, string expected)
    {
        using var folder = new TokenizerFolder();
        JsonObject split = TokenizerFolder.Split("a");
        split[name] = JsonNode.Parse(value);
        folder.Root["pre_tokenizer"] = TokenizerFolder.Sequence("pretokenizers", split, TokenizerFolder.ByteLevel(useRegex: false));

        AssertRefused(folder, expected);
    }

    [Fact]
    public void Load_PartAfterByteLevel_Refused()
    {
        using var folder = new TokenizerFolder();
        folder.Root["pre_tokenizer"] = TokenizerFolder.Sequence("pretokenizers", TokenizerFolder.ByteLevel(), TokenizerFolder.Split("a"));

        AssertRefused(folder, "pre_tokenizer.pretokenizers[1]: a part after ByteLevel");
    }

    [Fact]
    public void Load_ManySplits_Refused()
    {
        using var folder = new TokenizerFolder();
        folder.Root["pre_tokenizer"] = TokenizerFolder.Sequence(
            "pretokenizers", [.. Enumerable.Range(0, 16).Select(_ => TokenizerFolder.Split("a")), TokenizerFolder.ByteLevel()]);

        AssertRefused(folder, "pre_tokenizer.pretokenizers[16]: more than 16 steps");
    }

    [Theory]
    [InlineData(new[] { "<b>", "<b>", "$A" }, "more than one token")]
    [InlineData(new[] { "<b>" }, "the text is not in the template")]
    [InlineData(new[] { "$A", "$A" }, "the text twice")]
    [InlineData(new[] { "<c>", "$A" }, "special_tokens.<c>.ids: expected the id of '<c>'")]
    public void Load_UnsupportedTemplate_Refused(string[] single, string expected)
    {
        using var folder = new TokenizerFolder();
        folder.Add("<b>", special: true);
        folder.Root["post_processor"] = TokenizerFolder.Template(single);

        AssertRefused(folder, expected);
    }

    [Theory]
    [InlineData("", "is not valid JSON")]
    [InlineData("{\"model\": {\"vocab\": {\"a\"", "is not valid JSON (line 1")]
    [InlineData("[]", "expected a JSON object")]
    public void Load_BrokenJson_Refused(string text, string expected)
    {
        using var folder = new TokenizerFolder();
        folder.Write("tokenizer.json", text);

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => Engine.Tokenization.TokenizerLoader.Load(folder.Path));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NotUtf8_Refused()
    {
        using var folder = new TokenizerFolder();
        File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.json"), [(byte)'{', 0xFF, (byte)'}']);

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => Engine.Tokenization.TokenizerLoader.Load(folder.Path));

        Assert.Contains("UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model":{"type":"BPE","vocab":{"\ud800":0},"merges":[]}}""")]
    [InlineData("""{"model":{"type":"\udc00"}}""")]
    [InlineData("""{"mod\ud800":0}""")]
    public void Load_HalfSurrogate_Refused(string json)
    {
        using var folder = new TokenizerFolder();
        folder.Write("tokenizer.json", json);

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => Engine.Tokenization.TokenizerLoader.Load(folder.Path));

        Assert.Contains("surrogate", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_HarmlessSpellings_Accepted()
    {
        using var folder = new TokenizerFolder();
        folder.Model["dropout"] = 0.0;
        folder.Model["continuing_subword_prefix"] = "";
        folder.Model["end_of_word_suffix"] = "";
        folder.Model["unk_token"] = "<|endoftext|>";
        folder.Model.Remove("type");
        folder.Root["normalizer"] = TokenizerFolder.Sequence("normalizers");
        folder.Root["post_processor"] = TokenizerFolder.ByteLevel();
        folder.Vocabulary.Remove(Engine.Tokenization.ByteAlphabet.Character(0xC0).ToString());

        Assert.Equal([97, 98], folder.Load().Ids("ab"));
    }

    private static void AssertRefused(TokenizerFolder folder, string expected)
    {
        UnreadableInputException error = Assert.Throws<UnreadableInputException>(folder.Load);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("tokenizer.json", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
