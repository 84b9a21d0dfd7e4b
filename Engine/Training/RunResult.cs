using Offload.Engine.Hub;
using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>Ends a run whose last step is committed.</summary>
internal static class RunResult
{
    /// <summary>Exports the model, if that is asked for, and writes the result.</summary>
    /// <param name="options">What is asked.</param>
    /// <param name="settings">What decides the numbers.</param>
    /// <param name="folder">The run.</param>
    /// <param name="model">The trained model, complete.</param>
    /// <param name="committer">Knows the last commit and the bytes.</param>
    /// <param name="evalLoss">Evaluation loss after the last step; null without evaluation.</param>
    /// <param name="companions">What goes beside the exported weights.</param>
    /// <param name="cancellation">Stops it; a resume does it again.</param>
    /// <exception cref="OffloadException">An I/O error, or damaged states.</exception>
    public static TrainingResult Write(
        TrainingOptions options,
        RunSettings settings,
        RunFolder folder,
        ITrainingModel model,
        RunCommitter committer,
        double? evalLoss,
        HubCompanions companions,
        CancellationToken cancellation)
    {
        if (options.Export)
        {
            ModelExport.Write(model, companions, folder.ModelFolder, settings.Numerics.Type, cancellation);
        }

        string weightsHash = WeightsHash.Compute(model, cancellation);
        RunProgress progress = committer.Committed;
        long bytesWritten = committer.BytesWritten;
        double bytesPerStep = (bytesWritten - progress.SsdBytesWrittenBeforeSteps) / (double)settings.Steps;
        double stepTokens = settings.SequencesPerStep * settings.Numerics.SequenceTokens;
        DriveEndurance? endurance = options.RatingTerabytes is double rating ? new DriveEndurance(rating) : null;
        var result = new TrainingResult
        {
            FinalLoss = progress.LastLoss,
            EvalLossBefore = progress.EvalLossBefore,
            EvalLoss = evalLoss,
            Steps = progress.Step,
            SkippedSteps = progress.NumSkipped,
            TokensPerSecond = progress.TokensPerSecond,
            WeightsHash = weightsHash,
            SsdBytesRead = committer.BytesRead,
            SsdBytesWritten = bytesWritten,
            SsdBytesPerStep = bytesPerStep,
            DriveLifeSteps = bytesPerStep > 0 ? endurance?.LifeSteps(bytesPerStep) : null,
            DriveLifeDays = bytesPerStep > 0 && progress.TokensPerSecond > 0 ? endurance?.LifeDays(bytesPerStep, stepTokens / progress.TokensPerSecond) : null,
            PeakCpuBytes = CpuMemory.PeakBytes(),
            PeakGpuBytes = model.PeakGpuBytes,
            Output = folder.Path,
            ModelFolder = options.Export ? folder.ModelFolder : null,
        };
        folder.Finish(result);
        return result;
    }
}
