using Offload.Tests.Infrastructure.States;

namespace Offload.Storage.Tests.States;

public sealed class StoreCrashTests
{
    [Fact]
    public void Histories_WithCrashesAnywhere_OpenAtTheLastCommitOrTheOneInFlight()
    {
        StoreCrashHistories.Result result = StoreCrashHistories.Run(numHistories: 250, firstSeed: 1);

        Assert.True(result.Problem is null, result.Problem);

        // All outcomes must occur, or the test tests nothing.
        Assert.True(result is { CommitsKept: > 10, CommitsLost: > 10, Refused: > 3 }, result.ToString());
    }
}
