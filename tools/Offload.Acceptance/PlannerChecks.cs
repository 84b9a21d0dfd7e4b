using System.Diagnostics;
using Offload.Swap.Planning.Search;
using Offload.Swap.Tests.Planning.Search;

namespace Offload.Acceptance;

/// <summary>The planner against all plans, and against the clock.</summary>
internal static class PlannerChecks
{
    private const int NumCases = 120;
    private const double LeastShare = 0.95;
    private const double MostSeconds = 2;

    public static bool RunOptimum(TextWriter output)
    {
        int numGood = 0;
        int numCases = 0;
        for (int seed = 0; numCases < NumCases; seed++)
        {
            OptimalityCheck.Result result = OptimalityCheck.Run(seed);
            if (result.NumPlans == 0)
            {
                // Nothing fits without gradients on the drives, which the exhaustive search does not look at.
                continue;
            }

            numCases++;
            numGood += result.IsWithin ? 1 : 0;
            if (!result.IsWithin)
            {
                output.WriteLine($"seed {seed}: {result}");
            }
        }

        output.WriteLine($"{numGood} of {NumCases} within {OptimalityCheck.Tolerance:P0} of the optimum");
        return numGood >= LeastShare * NumCases;
    }

    public static bool RunSpeed(TextWriter output)
    {
        var times = new List<double>();
        for (int i = 0; i < 5; i++)
        {
            long start = Stopwatch.GetTimestamp();
            PlannedStep step = Planner.Plan(DenseModel.Request(numLayers: 80, hidden: 8192, cpuGiB: 256, hasDrives: true)).Require();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            output.WriteLine($"80 layers planned in {times[^1]:F2} s: {step.Predicted.StepSeconds:F1} s a step");
        }

        // The first one compiles.
        return times.Skip(1).Min() < MostSeconds;
    }
}
