using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Engine.Tests.Training;

/// <summary>Export of what was committed, and of nothing else.</summary>
[Collection(nameof(ProcessWide))]
public sealed class RunExportTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void Write_RunInUse_SaysSoAndWritesNothing()
    {
        TrainingOptions options = _run.Options("a") with { CheckpointEverySteps = 1 };
        Exception? error = null;

        TinyRun.Train(options, report =>
        {
            if (report.Step == 3)
            {
                error = Record.Exception(() => Export("out"));
            }
        });

        Assert.Contains("another process", Assert.IsType<StorageException>(error).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_run["out"]));
    }

    [Fact]
    public void Write_NothingCommitted_IsRefused()
    {
        TrainingOptions options = _run.Options("a");
        Assert.Throws<TimeoutException>(() => TinyRun.Train(options, _ => throw new TimeoutException()));

        Assert.Contains("the run has no checkpoint yet", Assert.Throws<UsageException>(() => Export("out")).Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Write_BitFlippedInAnyMaster_IsNamedAndLeavesNothing(bool isOnDrives)
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = isOnDrives ? [_run["nvme"]] : [] };
        TinyRun.TrainUntil(options, 2);
        string file = Path.Combine(isOnDrives ? _run["nvme"] : Path.Combine(_run["a"], "checkpoint"), StoreFiles.FileName);
        byte[] bytes = File.ReadAllBytes(file);
        string hash = Export("before").WeightsHash;
        Assert.Equal(hash, Export("again").WeightsHash);

        // Every 4096th byte of the file; those of the other generation, moments and padding are not read.
        int numNamed = 0;
        for (int place = 100; place < bytes.Length; place += 4096)
        {
            bytes[place] ^= 8;
            File.WriteAllBytes(file, bytes);
            bytes[place] ^= 8;
            try
            {
                Assert.Equal(hash, Export("out").WeightsHash);
                Directory.Delete(_run["out"], recursive: true);
            }
            catch (StoreMismatchException error)
            {
                numNamed++;
                Assert.StartsWith(Path.GetDirectoryName(file)!, error.Message, StringComparison.Ordinal);
                Assert.Empty(Directory.GetFileSystemEntries(_run.Folder, "*out*"));
            }
        }

        // 35,040 parameters of two bytes in pages of 4 KiB, in two arrays.
        Assert.InRange(numNamed, 2 * 35040 * 2 / 4096, bytes.Length / 4096);
    }

    private ExportResult Export(string name) =>
        RunExport.Write(_run["a"], _run[name], ComputeType.Float32, [], TestContext.Current.CancellationToken);
}
