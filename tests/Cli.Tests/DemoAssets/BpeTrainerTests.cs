using Offload.DemoAssets.Tokenization;

namespace Offload.Cli.Tests.DemoAssets;

public sealed class BpeTrainerTests
{
    [Fact]
    public void Train_SmallCorpus_MergesTheMostFrequentPairsFirst()
    {
        var trainer = new BpeTrainer();
        foreach ((string word, int count) in new[] { ("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5) })
        {
            trainer.Add(word, count);
        }

        BpeVocabulary vocabulary = trainer.Train(257 + 3);

        // u g: 10 + 5 + 5 = 20; u n: 12 + 4 = 16; h ug: 10 + 5 = 15.
        Assert.Equal([("u", "g"), ("u", "n"), ("h", "ug")], vocabulary.Merges);
        Assert.Equal(["ug", "un", "hug"], vocabulary.Tokens.Skip(257));
    }

    [Fact]
    public void Train_EquallyFrequentPairs_TakesTheLowerIds()
    {
        var trainer = new BpeTrainer();
        trainer.Add("yz");
        trainer.Add("ab");

        Assert.Equal([("a", "b"), ("y", "z")], trainer.Train(1000).Merges);
    }
}
