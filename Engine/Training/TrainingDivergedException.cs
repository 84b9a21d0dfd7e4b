using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>Too many steps in a row, or one where that is enough, had a loss or gradient that is not finite. The steps before the last of them are committed, if the states allow it. Exit code 1.</summary>
public sealed class TrainingDivergedException(long step, long skippedInARow, string culprit) : OffloadException(
    skippedInARow == 1
        ? $"training diverged: {culprit} is not finite in step {step}"
        : $"training diverged: {skippedInARow} steps up to step {step} were skipped in a row, {culprit} is not finite",
    "a lower --lr or a longer --warmup-steps usually helps; the last checkpoint can be exported",
    cause: null)
{
    /// <inheritdoc/>
    public override ExitCode ExitCode => ExitCode.Failed;
}
