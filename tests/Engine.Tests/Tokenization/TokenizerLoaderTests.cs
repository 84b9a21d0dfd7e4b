using System.Text.Json.Nodes;
using Offload.Engine.Tokenization;
using Offload.Storage;

namespace Offload.Engine.Tests.Tokenization;

public class TokenizerLoaderTests
{
    [Fact]
    public void Load_NoTokenizer_NamesWhatWasLookedFor()
    {
        using var folder = new TokenizerFolder();

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => TokenizerLoader.Load(folder.Path));

        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains("neither tokenizer.json nor tokenizer.model", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NoFolder_SaysSo()
    {
        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => TokenizerLoader.Load("/nonexistent/model"));

        Assert.Contains("is not a folder", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer.model")]
    public void Load_HugeFile_RefusedUnread(string name)
    {
        using var folder = new TokenizerFolder();
        using (FileStream file = File.Create(Path.Combine(folder.Path, name)))
        {
            file.SetLength(1L << 40);
        }

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(() => TokenizerLoader.Load(folder.Path));

        Assert.Contains($"{name}: has {1L << 40} bytes; expected at most", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NoConfig_NoBeginNorEnd()
    {
        using var folder = new TokenizerFolder();
        ITokenizer tokenizer = folder.Load();

        Assert.Null(tokenizer.BeginOfTextId);
        Assert.Null(tokenizer.EndOfTextId);
    }

    [Theory]
    [InlineData("""{"eos_token":"<e>","bos_token":"<b>"}""", null, 257)]
    [InlineData("""{"eos_token":{"content":"<e>","lstrip":false},"bos_token":null}""", null, 257)]
    [InlineData("""{"bos_token":{"content":"<b>"},"add_bos_token":true}""", 256, null)]
    [InlineData("""{"bos_token":"<nowhere>","add_bos_token":false}""", null, null)]
    [InlineData("{}", null, null)]
    public void Load_Config_TellsBeginAndEnd(string config, int? begin, int? end)
    {
        using var folder = new TokenizerFolder();
        ITokenizer tokenizer = folder.Add("<b>", special: true).Add("<e>", special: true).Config(config).Load();

        Assert.Equal(begin, tokenizer.BeginOfTextId);
        Assert.Equal(end, tokenizer.EndOfTextId);
    }

    [Theory]
    [InlineData("""{"eos_token":"<x>"}""", "eos_token: '<x>' is not in the tokenizer's vocabulary")]
    [InlineData("""{"bos_token":"<x>","add_bos_token":true}""", "bos_token: '<x>' is not in")]
    [InlineData("""{"add_bos_token":true}""", "no bos_token")]
    [InlineData("""{"eos_token":7}""", "eos_token: expected a string")]
    [InlineData("""{"add_bos_token":"yes"}""", "add_bos_token: expected true or false")]
    [InlineData("{", "is not valid JSON")]
    public void Load_ConfigThatDoesNotFit_Refused(string config, string expected)
    {
        using var folder = new TokenizerFolder();
        folder.Config(config);

        UnreadableInputException error = Assert.Throws<UnreadableInputException>(folder.Load);

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("tokenizer_config.json", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, null, 256)]
    [InlineData(true, null, 256)]
    [InlineData(false, """{"add_bos_token":false}""", null)]
    public void Load_Template_BeginsText(bool inSequence, string? config, int? begin)
    {
        using var folder = new TokenizerFolder();
        JsonObject template = TokenizerFolder.Template("<b>", "$A", "<e>");
        folder.Add("<b>", special: true).Add("<e>", special: true);
        folder.Root["post_processor"] = inSequence
            ? TokenizerFolder.Sequence("processors", TokenizerFolder.ByteLevel(), template)
            : template;
        if (config is not null)
        {
            folder.Config(config);
        }

        ITokenizer tokenizer = folder.Load();

        Assert.Equal(begin, tokenizer.BeginOfTextId);
        Assert.Equal(257, tokenizer.EndOfTextId);
        Assert.Equal([97], tokenizer.Ids("a"));
    }

    [Fact]
    public void Load_SecondTemplate_Refused()
    {
        using var folder = new TokenizerFolder();
        folder.Add("<b>", special: true);
        folder.Root["post_processor"] = TokenizerFolder.Sequence("processors", TokenizerFolder.Template("<b>", "$A"), TokenizerFolder.Template("<b>", "$A"));

        Assert.Contains("a second template", Assert.Throws<UnreadableInputException>(folder.Load).Message, StringComparison.Ordinal);
    }
}
