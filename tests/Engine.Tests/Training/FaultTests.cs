using Offload.Engine.Interop;

namespace Offload.Engine.Tests.Training;

[Collection(nameof(ProcessWide))]
public class FaultTests(ITestOutputHelper output)
{
    /// <summary>Not a multiple of the number of faults: every third operation, each time in another way. All pairs: the acceptance check "faults".</summary>
    private const int Every = 10;

    [Fact]
    public void Run_OperationFails_IsNamedAndResumes()
    {
        _ = TorchRuntime.Current;

        FaultCheck.Result result = FaultCheck.Run(Every);

        output.WriteLine($"{result}");
        Assert.Null(result.Problem);
        Assert.True(result.Refused > result.Runs / 2);
        Assert.InRange(result.Resumed, 1, result.Refused - 1);
    }
}
