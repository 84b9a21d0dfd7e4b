using Offload.Engine.Interop;
using Offload.Engine.Tests.Swapping;
using Offload.Swap.Planning;

namespace Offload.Acceptance;

/// <summary>Law 4, faults in every lane: see <see cref="SwapFaultCheck"/>.</summary>
internal static class SwapFaultLaw
{
    private const int NumPlans = 6;

    public static bool Run(TextWriter output)
    {
        _ = TorchRuntime.Current;
        var all = new SwapFaultCheck.Result(0, 0, 0, 0, 0, null);
        foreach ((StepOrder order, UpdateMode update) in SwapFaultCheck.Combinations)
        {
            var result = new SwapFaultCheck.Result(0, 0, 0, 0, 0, null);
            for (int seed = 0; seed < NumPlans; seed++)
            {
                SwapFaultCheck.Result one = SwapFaultCheck.Run(order, update, sample: null, seed);
                if (one.Problem is not null)
                {
                    output.WriteLine(one.Problem);
                }

                result = result.And(one);
            }

            output.WriteLine($"{order}, {update}: {Describe(result)}");
            all = all.And(result);
        }

        output.WriteLine($"{NumPlans} plans each: {Describe(all)}");
        return all.Problem is null;
    }

    private static string Describe(SwapFaultCheck.Result result) =>
        $"{result.Runs} runs, {result.Hit} of them hit: {result.Stopped} ended with that error, the slowest after {result.SlowestSeconds:F1} s; {result.Resumed} went on right behind a commit";
}
