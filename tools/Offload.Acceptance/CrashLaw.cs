using Offload.Tests.Infrastructure;

namespace Offload.Acceptance;

/// <summary>Law 4, killed often: see <see cref="CrashCheck"/>.</summary>
internal static class CrashLaw
{
    private const int NumKills = 30;
    private const int NumKillsSeldomCommitted = 15;

    public static bool Run(TextWriter output) =>
        Run(output, "states in memory", NumKills, CrashCheck.States.InMemory)
        & Run(output, "states on drives", NumKills, CrashCheck.States.OnDrives)
        & Run(output, "states on drives, commits every 3 steps, evaluations every 2", NumKillsSeldomCommitted, CrashCheck.States.OnDrivesSeldomCommitted)
        & Run(output, "swapped between tiers, by another plan after each kill", NumKills, CrashCheck.States.Swapped);

    private static bool Run(TextWriter output, string name, int numKills, CrashCheck.States states)
    {
        int seed = Environment.TickCount;
        CrashCheck.Result result = CrashCheck.Run(numKills, seed, states);
        output.WriteLine(
            $"{name}: {result.Kills} kills (seed {seed}), {result.AfterCommit} of them with a commit, {result.KnownCommits} after a step known to be committed, which was still there; "
            + $"{result.Reopened} stores opened at once; {result.Continued} processes went on right behind the last commit; "
            + $"{result.Finished} runs ended{(result.Problem is null ? ", all with the undisturbed run's bits" : "")}");
        if (result.Problem is not null)
        {
            output.WriteLine(result.Problem);
        }

        return result.Problem is null && result.Kills == numKills && result.KnownCommits > 0 && result.Continued > 0;
    }
}
