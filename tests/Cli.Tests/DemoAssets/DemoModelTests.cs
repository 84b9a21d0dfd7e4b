using System.Text;
using System.Text.Json;
using Microsoft.ML.Tokenizers;
using Offload.DemoAssets.Model;
using Offload.DemoAssets.Stories;
using Offload.DemoAssets.Tokenization;

namespace Offload.Cli.Tests.DemoAssets;

public sealed class DemoModelTests
{
    private const string SplitPattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    [Fact]
    public void CommittedTokenizer_AnyText_RoundTrips()
    {
        Tokenizer tokenizer = LoadCommittedTokenizer();
        string[] texts =
        [
            .. new StoryGenerator(99).Generate(50),
            .. Encoding.UTF8.GetString(DemoResources.Read("questions.jsonl")).Split('\n').Take(50),
            "  two  spaces,\ttabs\r\n and \u00fcml\u00e4uts \u20ac 12345 it's we'll \U0001f600",
        ];

        Assert.All(texts, text => Assert.Equal(text, tokenizer.Decode(tokenizer.EncodeToIds(text))));
    }

    [Fact]
    public void CommittedTokenizer_Stories_FitIntoThePositions()
    {
        Tokenizer tokenizer = LoadCommittedTokenizer();

        Assert.All(new StoryGenerator(1).Generate(300), story =>
        {
            int numTokens = tokenizer.CountTokens(story);
            Assert.InRange(numTokens, 1, DemoModelFiles.MaxPositions - 1);
            Assert.True(story.Length > 3 * numTokens, "The vocabulary knows the words of the stories.");
        });
    }

    [Fact]
    public void CommittedConfig_TokenizerAndSize_FitTogether()
    {
        using var config = JsonDocument.Parse(DemoResources.Read("model/config.json"));
        using var tokenizer = JsonDocument.Parse(DemoResources.Read("model/tokenizer.json"));
        int vocabularySize = config.RootElement.GetProperty("vocab_size").GetInt32();

        IEnumerable<int> ids = tokenizer.RootElement.GetProperty("model").GetProperty("vocab").EnumerateObject().Select(token => token.Value.GetInt32());
        Assert.Equal(Enumerable.Range(0, vocabularySize), ids);
        Assert.InRange(2 * DemoModelFiles.CountParameters(vocabularySize), 1, 7_500_000); // bytes in bf16
    }

    [Fact]
    public void Write_TrainedVocabulary_GivesTheFilesOfAModelFolder()
    {
        string folder = Directory.CreateTempSubdirectory("offload-demo-").FullName;
        try
        {
            var trainer = new BpeTrainer();
            trainer.Add("a small text, a small text");
            BpeVocabulary vocabulary = trainer.Train(265);
            TokenizerFiles.Write(folder, vocabulary, maxTokens: 64);
            DemoModelFiles.Write(folder, vocabulary.Tokens.Count);

            string[] names = [.. Directory.GetFiles(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
            Assert.Equal(["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"], names);
            Tokenizer tokenizer = Load(File.ReadAllBytes(Path.Combine(folder, "tokenizer.json")));
            Assert.Equal("a small text", tokenizer.Decode(tokenizer.EncodeToIds("a small text")));
            Assert.True(tokenizer.CountTokens("a small text") < "a small text".Length);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static BpeTokenizer LoadCommittedTokenizer() => Load(DemoResources.Read("model/tokenizer.json"));

    private static BpeTokenizer Load(byte[] tokenizerJson)
    {
        using var document = JsonDocument.Parse(tokenizerJson);
        JsonElement model = document.RootElement.GetProperty("model");
        IEnumerable<KeyValuePair<string, int>> vocabulary = model.GetProperty("vocab").EnumerateObject().Select(token => KeyValuePair.Create(token.Name, token.Value.GetInt32()));
        IEnumerable<string> merges = model.GetProperty("merges").EnumerateArray().Select(merge => $"{merge[0].GetString()} {merge[1].GetString()}");
        return BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            Merges = merges,
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(new(SplitPattern), specialTokens: null),
        });
    }
}
