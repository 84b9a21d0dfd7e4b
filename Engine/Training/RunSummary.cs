using Offload.Engine.Models;
using Offload.Profiles;
using Offload.Storage.States;

namespace Offload.Engine.Training;

/// <summary>How a run stands: what it was asked, where its last commit is, what it gave.</summary>
/// <param name="Path">Folder of the run.</param>
/// <param name="ModelType">The base model's family, as the Hub names it.</param>
/// <param name="Parameters">Number of parameters; a tied matrix counts once.</param>
/// <param name="Settings">All that decides the numbers.</param>
/// <param name="StoreFolders">Folders of the store that holds the states, or their checkpoint.</param>
/// <param name="Step">Steps done at the last commit; null if nothing was committed.</param>
/// <param name="SkippedSteps">Of these, the ones without an update.</param>
/// <param name="LastLoss">Loss of the last committed step; null if nothing was committed.</param>
/// <param name="EvalLossBefore">Evaluation loss before the first step; null without evaluation.</param>
/// <param name="Result">Null if the run is not finished.</param>
public sealed record RunSummary(
    string Path,
    string ModelType,
    long Parameters,
    RunSettings Settings,
    IReadOnlyList<string> StoreFolders,
    long? Step,
    long SkippedSteps,
    double? LastLoss,
    double? EvalLossBefore,
    TrainingResult? Result)
{
    /// <summary>True for the folder of a run, committed or not.</summary>
    public static bool IsRun(string path) => RunFolder.IsRun(path);

    /// <summary>Has a run go on from its store's last commit, though it was finished: that commit is an earlier one now.</summary>
    /// <param name="path">A folder of which <see cref="IsRun"/> is true.</param>
    /// <exception cref="OffloadException">An I/O error.</exception>
    public static void RemoveResult(string path)
    {
        using RunFolder folder = RunFolder.OpenForReading(path);
        folder.RemoveResult();
    }

    /// <summary>Reads it, also while the run goes on.</summary>
    /// <param name="path">A folder of which <see cref="IsRun"/> is true.</param>
    /// <param name="nvmeFolders">Where the run's store is now, if it has moved; null or empty: as the run remembers.</param>
    /// <exception cref="OffloadException">The folder is damaged, or an I/O error.</exception>
    public static RunSummary Read(string path, IReadOnlyList<string>? nvmeFolders = null)
    {
        using RunFolder folder = RunFolder.OpenForReading(path);
        RunSettings settings = folder.ReadSettings() ?? throw new UsageException($"{path}: expected the folder of a run, found no run.json");
        TrainingResult? result = folder.ReadResult();
        RunStore store = RunStore.Find(folder, nvmeFolders ?? [], new StoreFilesOptions());
        if (result is null)
        {
            store.RequireThere();
        }

        // Of a finished run the store may have been removed to make room.
        RunProgress? progress = store.ReadProgress();
        ModelLayout layout = RunBase.OfRun(folder).Layout;
        return new RunSummary(
            path,
            layout.Config.ModelType,
            layout.NumParameters,
            settings,
            store.Folders,
            progress?.Step ?? result?.Steps,
            progress?.NumSkipped ?? result?.SkippedSteps ?? 0,
            progress?.LastLoss ?? result?.FinalLoss,
            progress?.EvalLossBefore ?? result?.EvalLossBefore,
            result);
    }
}
