using Offload.Tests.Infrastructure.States;

namespace Offload.Storage.Tests.States;

[Collection(nameof(ProcessWide))]
public sealed class StoreFuzzTests
{
    [Fact]
    public void Run_BrokenHeaders_OnlyDocumentedErrorsComeOut()
    {
        StoreFuzz.Result result = StoreFuzz.Run(numCases: 20_000, firstSeed: 1);

        Assert.True(result.Problem is null, result.Problem);

        // Both outcomes must occur, or the test tests nothing.
        Assert.InRange(result.Refused, result.Cases / 3, result.Cases * 9 / 10);
    }
}
