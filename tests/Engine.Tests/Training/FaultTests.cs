using Offload.Engine.Interop;

namespace Offload.Engine.Tests.Training;

[Collection(nameof(ProcessWide))]
public class FaultTests(ITestOutputHelper output)
{
    /// <summary>Cases of each of the scenarios, some 6 seconds in all. All of them: the acceptance check "faults".</summary>
    private const int Sample = 3;

    [Fact]
    public void Run_OperationFails_IsNamedAndResumes()
    {
        _ = TorchRuntime.Current;

        FaultCheck.Result result = FaultCheck.Run(Sample, seed: 1, output.WriteLine);

        output.WriteLine($"{result}");
        Assert.Null(result.Problem);
        Assert.True(result.Hit > result.Runs * 9 / 10);
        Assert.InRange(result.Refused, result.Runs / 2, result.Hit);
        Assert.InRange(result.Resumed, 1, result.Refused);
    }
}
