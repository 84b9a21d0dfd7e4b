using Offload.Storage;

namespace Offload.Tests.Infrastructure.States;

/// <summary>
/// Random histories of a store on devices that crash, against a model of what must be left: written tiles, commits, rollbacks, processes killed and
/// machines that lose their power at any operation, writes since the last flush kept, lost, reordered or torn. Same seed, same history.
/// </summary>
public static class StoreCrashHistories
{
    /// <summary>What happened.</summary>
    /// <param name="Histories">Histories that were run.</param>
    /// <param name="Crashes">Power cuts, and kills of a process inside a commit.</param>
    /// <param name="CommitsKept">Crashes inside a commit after which that commit was there.</param>
    /// <param name="CommitsLost">Crashes inside a commit after which the one before was there.</param>
    /// <param name="Refused">Openings refused because a single generation was being overwritten.</param>
    /// <param name="Problem">The first history that went against the model, with its seed; null: none.</param>
    public sealed record Result(int Histories, int Crashes, int CommitsKept, int CommitsLost, int Refused, string? Problem);

    /// <summary>Runs histories with the seeds that follow the first one.</summary>
    public static Result Run(int numHistories, int firstSeed)
    {
        var sum = new Result(0, 0, 0, 0, 0, Problem: null);
        for (int index = 0; index < numHistories && sum.Problem is null; index++)
        {
            using var history = new StoreCrashHistory(firstSeed + index);
            string? problem;
            try
            {
                problem = history.Run();
            }
            catch (Exception error) when (error is StorageException or StoreMismatchException or InvalidOperationException)
            {
                problem = error.ToString();
            }

            sum = new Result(
                index + 1,
                sum.Crashes + history.NumCrashes,
                sum.CommitsKept + history.NumCommitsKept,
                sum.CommitsLost + history.NumCommitsLost,
                sum.Refused + history.NumRefused,
                problem is null ? null : $"seed {firstSeed + index}: {problem}");
        }

        return sum;
    }
}
