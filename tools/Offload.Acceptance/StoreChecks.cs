using Offload.Tests.Infrastructure.States;

namespace Offload.Acceptance;

/// <summary>The state store against crashes and against what a damaged file may hold: the unit tests' cases, many more of them.</summary>
internal static class StoreChecks
{
    private const int NumHistories = 10_000;
    private const int NumFuzzCases = 1_000_000;

    // Away from those of the unit tests.
    private const int FirstSeed = 1_000_000;

    public static bool RunCrashes(TextWriter output)
    {
        StoreCrashHistories.Result result = StoreCrashHistories.Run(NumHistories, FirstSeed);
        output.WriteLine(
            $"{result.Histories} histories, {result.Crashes} crashes; inside a commit: {result.CommitsKept} kept it, {result.CommitsLost} had the one before; {result.Refused} single generations refused");
        return Report(output, result.Problem);
    }

    public static bool RunFuzz(TextWriter output)
    {
        StoreFuzz.Result result = StoreFuzz.Run(NumFuzzCases, FirstSeed);
        output.WriteLine($"{result.Cases} cases, {result.Refused} refused");
        return Report(output, result.Problem);
    }

    private static bool Report(TextWriter output, string? problem)
    {
        if (problem is not null)
        {
            output.WriteLine(problem);
        }

        return problem is null;
    }
}
