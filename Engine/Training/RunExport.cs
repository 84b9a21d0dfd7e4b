using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Training;

/// <summary>Exports a run's last checkpoint without loading the model.</summary>
public static class RunExport
{
    /// <summary>Writes the model's folder.</summary>
    /// <param name="runFolder">Folder of the run.</param>
    /// <param name="outputFolder">Where to; an earlier export there is replaced.</param>
    /// <param name="type">Element type; null: the run's.</param>
    /// <exception cref="UsageException">The folder is not a run's, or has no checkpoint yet.</exception>
    /// <exception cref="OffloadException">The checkpoint is damaged, or an I/O error.</exception>
    public static ExportResult Write(string runFolder, string outputFolder, ComputeType? type)
    {
        if (!RunFolder.IsRun(runFolder))
        {
            throw new UsageException($"{runFolder}: expected the folder of a run, found no run.json", "give the --output of offload train");
        }

        using RunFolder folder = RunFolder.OpenForReading(runFolder);
        RunSettings settings = folder.ReadSettings()!;
        HubCompanions companions = HubCompanions.Read(folder.BaseFolder);
        ModelLayout layout = ModelLayout.Create(HubConfig.Load(folder.BaseFolder));
        (CheckpointWeights opened, RunProgress progress) = OpenLast(folder, layout);
        using CheckpointWeights weights = opened;
        ComputeType exported = type ?? settings.Numerics.Type;
        ModelExport.Write(weights, companions, outputFolder, exported);
        return new ExportResult(
            outputFolder, progress.Step, exported == ComputeType.Float32 ? "float32" : "bfloat16", WeightsHash.Compute(weights));
    }

    /// <summary>Opens the last checkpoint, verified; if the run, which may go on meanwhile, has replaced it in between, the one after.</summary>
    /// <param name="folder">The run.</param>
    /// <param name="layout">Its model.</param>
    /// <param name="afterRead">Called between reading a commit and opening its file; for tests.</param>
    internal static (CheckpointWeights Weights, RunProgress Progress) OpenLast(RunFolder folder, ModelLayout layout, Action? afterRead = null)
    {
        while (true)
        {
            if (folder.ReadProgress() is not { } committed)
            {
                throw new UsageException($"{folder.Path}: the run has no checkpoint yet", "let it reach its first checkpoint, or interrupt it once: that writes one");
            }

            afterRead?.Invoke();
            try
            {
                return (new CheckpointWeights(folder.Checkpoints, committed.Commit, layout), committed.Progress);
            }
            catch (StoreMismatchException) when (folder.Checkpoints.ReadCommit()?.RecordHash != committed.Commit.RecordHash)
            {
                // Not damaged: deleted or written over by a later commit. Each turn of the loop takes a commit of the trainer.
            }
        }
    }
}
