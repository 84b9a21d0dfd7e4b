using Offload.Engine.Interop;
using Offload.Engine.Tests.Training;

namespace Offload.Acceptance;

/// <summary>Law 4, faults: see <see cref="FaultCheck"/>.</summary>
internal static class FaultLaw
{
    public static bool Run(TextWriter output)
    {
        _ = TorchRuntime.Current;
        FaultCheck.Result result = FaultCheck.Run(every: 1);
        output.WriteLine($"{result.Operations} operations, {result.Runs} runs with a fault, {result.Refused} of them refused, {result.Resumed} resumed from a commit");
        if (result.Problem is not null)
        {
            output.WriteLine(result.Problem);
        }

        return result.Problem is null;
    }
}
