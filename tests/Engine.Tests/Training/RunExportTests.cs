using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Storage;

namespace Offload.Engine.Tests.Training;

/// <summary>Export beside a run that goes on.</summary>
[Collection(nameof(ProcessWide))]
public sealed class RunExportTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void OpenLast_TrainerCommitsInBetween_TakesTheNewCheckpoint()
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntil(options, 2);
        using RunFolder folder = RunFolder.OpenForReading(options.OutputFolder);
        int numReads = 0;

        (CheckpointWeights weights, RunProgress progress) = RunExport.OpenLast(folder, Layout(folder), () =>
        {
            if (++numReads == 1)
            {
                TinyRun.TrainUntil(options with { Resume = true }, 3);
            }
        });

        weights.Dispose();
        Assert.Equal((2, 3L), (numReads, progress.Step));
    }

    [Fact]
    public void OpenLast_FileGoneAndNoNewCommit_IsAMismatch()
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntil(options, 2);
        using RunFolder folder = RunFolder.OpenForReading(options.OutputFolder);
        File.Delete(Directory.GetFiles(folder.Checkpoints.Path, "state-*").Single());

        Assert.Throws<StoreMismatchException>(() => RunExport.OpenLast(folder, Layout(folder)));
    }

    private static ModelLayout Layout(RunFolder folder) => ModelLayout.Create(HubConfig.Load(folder.BaseFolder));
}
