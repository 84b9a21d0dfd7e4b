using Offload.Tests.Infrastructure;

namespace Offload.Acceptance;

/// <summary>Law 4, killed often: see <see cref="CrashCheck"/>.</summary>
internal static class CrashLaw
{
    private const int NumKills = 30;

    public static bool Run(TextWriter output) => Run(output, isOnDrives: false) & Run(output, isOnDrives: true);

    private static bool Run(TextWriter output, bool isOnDrives)
    {
        CrashCheck.Result result = CrashCheck.Run(NumKills, Environment.TickCount, isOnDrives);
        string where = isOnDrives ? "states on drives" : "states in memory";
        output.WriteLine(
            $"{where}: {result.Kills} kills, {result.AfterCommit} of them with a commit; {result.Finished} runs ended{(result.Problem is null ? ", all with the undisturbed run's bits" : "")}");
        if (result.Problem is not null)
        {
            output.WriteLine(result.Problem);
        }

        return result.Problem is null && result.Kills == NumKills;
    }
}
