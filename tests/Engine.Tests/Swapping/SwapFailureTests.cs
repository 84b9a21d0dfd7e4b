using Offload.Engine.Interop;
using Offload.Swap.Planning;

namespace Offload.Engine.Tests.Swapping;

[Collection(nameof(ProcessWide))]
public sealed class SwapFailureTests(ITestOutputHelper output)
{
    /// <summary>Cases of each combination, some 30 seconds in all. All of them, of several plans: the acceptance check "swap-faults".</summary>
    private const int Sample = 8;

    public static TheoryData<int> Combinations() => [.. Enumerable.Range(0, SwapFaultCheck.Combinations.Count)];

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Run_SomethingFails_TellsItAndResumes(int combination)
    {
        _ = TorchRuntime.Current;
        (StepOrder order, UpdateMode update) = SwapFaultCheck.Combinations[combination];

        SwapFaultCheck.Result result = SwapFaultCheck.Run(order, update, Sample, seed: combination);

        output.WriteLine($"{order}, {update}: {result}");
        Assert.Null(result.Problem);
        Assert.InRange(result.Hit, Sample / 2, Sample);
    }
}
