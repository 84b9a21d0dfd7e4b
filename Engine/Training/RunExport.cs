using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>Exports a run's last commit without loading the model.</summary>
public static class RunExport
{
    /// <summary>Writes the model's folder. Every byte that is read is checked, and the folder appears whole or not at all.</summary>
    /// <param name="runFolder">Folder of the run.</param>
    /// <param name="outputFolder">Where to; an earlier export there is replaced.</param>
    /// <param name="type">Element type; null: the run's.</param>
    /// <param name="nvmeFolders">Where the run's store is now, if it has moved; usually empty.</param>
    /// <param name="warn">Told, in one line, of damage that was got round.</param>
    /// <param name="cancellation">Stops it; nothing is left behind.</param>
    /// <exception cref="UsageException">The folder is not a run's, or has no commit yet.</exception>
    /// <exception cref="OffloadException">The run is in use or damaged, or an I/O error.</exception>
    public static ExportResult Write(
        string runFolder, string outputFolder, ComputeType? type, IReadOnlyList<string> nvmeFolders, Action<string> warn, CancellationToken cancellation)
    {
        using RunWeights run = RunWeights.Open(runFolder, nvmeFolders, warn);
        ComputeType exported = type ?? run.Settings.Numerics.Type;
        ModelExport.Write(run.Masters, run.Base.Companions, outputFolder, exported, cancellation);
        return new ExportResult(
            outputFolder, run.Progress.Step, exported == ComputeType.Float32 ? "float32" : "bfloat16", WeightsHash.Compute(run.Masters, cancellation));
    }
}
