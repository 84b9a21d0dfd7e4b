using System.Text.Json;
using Offload.Engine.Tokenization;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Tokenization;

public class GoldenTokenizerTests
{
    public static TheoryData<string> Cases => [.. GoldenFolder.Cases("tokenizer-*")];

    [Theory]
    [MemberData(nameof(Cases))]
    public void EncodeAndDecode_GoldenCase_Exact(string name)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(GoldenFolder.Case(name));
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(GoldenFolder.Case(name), "expected.json")));

        Assert.NotEqual(0, expected.RootElement.GetArrayLength());
        foreach (JsonElement item in expected.RootElement.EnumerateArray())
        {
            int[] ids = [.. item.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            Assert.Equal(ids, tokenizer.Ids(item.GetProperty("text").GetString()!));
            Assert.Equal(item.GetProperty("decoded").GetString(), tokenizer.Decode(ids));
        }
    }
}
