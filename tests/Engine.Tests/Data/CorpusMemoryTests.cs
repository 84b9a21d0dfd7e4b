using System.Text;
using Offload.Engine.Data;

namespace Offload.Engine.Tests.Data;

[CollectionDefinition("memory", DisableParallelization = true)]
public class MemoryTests;

[Collection("memory")]
public sealed class CorpusMemoryTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a.txt", "The quick brown fox jumps over the lazy dog, again and again.\n")]
    [InlineData("a.jsonl", "{\"text\":\"The quick brown fox jumps over the lazy dog, again and again.\"}\n")]
    public async Task Tokenize_50MegabyteFile_HoldsNoMoreThanAtItsStart(string name, string line)
    {
        byte[] block = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(line, 10_000)));
        using (FileStream file = File.Create(_folder[name]))
        {
            while (file.Length < 50_000_000)
            {
                file.Write(block);
            }
        }

        var live = new LiveBytes();
        using TokenStore store = await CorpusTokenizer.TokenizeAsync([_folder[name]], new WordTokenizer(), 65536, _folder["tokens"], live, TestContext.Current.CancellationToken);

        Assert.True(store.NumTokens > 8_000_000);
        Assert.True(live.Samples.Count >= 3, $"{live.Samples.Count} samples");

        // Each thread that takes part keeps buffers of its own.
        Assert.True(live.Samples.Max() - live.Samples[0] < 8 << 20, string.Join(", ", live.Samples));
    }

    private sealed class LiveBytes : IProgress<TokenizingProgress>
    {
        public List<long> Samples { get; } = [];

        public void Report(TokenizingProgress value) => Samples.Add(GC.GetTotalMemory(forceFullCollection: true));
    }
}
