using Offload.Engine.Interop;
using Offload.Engine.Tests.Training;

namespace Offload.Acceptance;

/// <summary>Law 4, faults: see <see cref="FaultCheck"/>.</summary>
internal static class FaultLaw
{
    public static bool Run(TextWriter output)
    {
        _ = TorchRuntime.Current;
        FaultCheck.Result result = FaultCheck.Run(sample: null, seed: 1, output.WriteLine);
        output.WriteLine(
            $"{result.Operations} operations, {result.Runs} runs with a fault, {result.Hit} of them hit by it: {result.Refused} were refused by name, {result.Harmless} had a second copy; "
            + $"{result.Resumed} went on right behind a commit, {result.Lost} of a single generation were lost");
        if (result.Problem is not null)
        {
            output.WriteLine(result.Problem);
        }

        return result.Problem is null;
    }
}
