using Offload.Engine.Generation;
using Offload.Engine.Models;
using Offload.Engine.Tests.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Generation;

[Collection(nameof(ProcessWide))]
public sealed class TextGeneratorTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void Generate_Greedy_GivesTheSameTextOfTheAskedLength()
    {
        using TextGenerator generator = TextGenerator.Load(_run.WriteWeights("a"), ComputeType.Float32, threads: 1);
        var options = new GenerationOptions { MaxNewTokens = 10 };

        string text = Generate(generator, "the cat", options);

        Assert.Equal(text, Generate(generator, "the cat", options));
        Assert.NotEmpty(text);
    }

    [Fact]
    public void Generate_EndOfText_Stops()
    {
        string folder = _run.WriteWeights("a", (name, values) =>
        {
            if (name == "lm_head.weight")
            {
                Array.Clear(values);
            }
        });
        // All logits are equal: greedy takes id 0, for ever.
        using TextGenerator endless = TextGenerator.Load(folder, ComputeType.Float32, threads: 1);
        Assert.Equal(TinyModel.MaxPositions - 3, Generate(endless, "the", new GenerationOptions { MaxNewTokens = 1000 }).Length);
        string ending = _run.WriteWeights(
            "b",
            (name, values) =>
            {
                if (name == "lm_head.weight")
                {
                    Array.Clear(values);
                }
            },
            config => config["eos_token_id"] = 0);

        using TextGenerator generator = TextGenerator.Load(ending, ComputeType.Float32, threads: 1);

        Assert.Equal("", Generate(generator, "the", new GenerationOptions()));
    }

    [Fact]
    public void Generate_PromptTooLongOrEmpty_IsAUsageError()
    {
        using TextGenerator generator = TextGenerator.Load(_run.WriteWeights("a"), ComputeType.Float32, threads: 1);

        var tooLong = Assert.Throws<UsageException>(() => Generate(generator, new string('a', TinyModel.MaxPositions), new GenerationOptions()));
        Assert.Contains($"at most {TinyModel.MaxPositions - 1} tokens", tooLong.Message);
        Assert.Contains($"found {TinyModel.MaxPositions}", tooLong.Message);
        Assert.Throws<UsageException>(() => Generate(generator, "", new GenerationOptions()));
    }

    [Fact]
    public void Generate_TokenizerOfALargerVocabulary_IsUnreadable()
    {
        string folder = _run.WriteWeights("a", changeConfig: config => config["vocab_size"] = 110);
        using TextGenerator generator = TextGenerator.Load(folder, ComputeType.Float32, threads: 1);

        Assert.NotNull(Generate(generator, "aa", new GenerationOptions { MaxNewTokens = 1 }));
        var error = Assert.Throws<UnreadableInputException>(() => Generate(generator, "az", new GenerationOptions()));

        Assert.Contains("it gives id 122, the model's vocabulary has 110 ids", error.Message);
    }

    private static string Generate(TextGenerator generator, string prompt, GenerationOptions options) =>
        generator.Generate(prompt, options, TestContext.Current.CancellationToken);
}
