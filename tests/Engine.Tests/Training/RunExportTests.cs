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
    private readonly List<string> _warnings = [];

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
        TinyRun.TrainUntilKilled(options, 1);

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

        // A bit here and there: those of the other generation, of moments and padding are not read.
        for (int place = 100; place < bytes.Length; place += 16 * 4096)
        {
            bytes[place] ^= 8;
            File.WriteAllBytes(file, bytes);
            bytes[place] ^= 8;
            _warnings.Clear();
            ExportResult? exported = null;
            if (Record.Exception(() => exported = Export("again")) is { } error)
            {
                Check(error);
            }
            else if (exported!.WeightsHash != hash)
            {
                // The last commit's record: the one before it counts, and that is said.
                Assert.Equal(1, exported.Step);
                Assert.Contains("commit record", Assert.Single(_warnings), StringComparison.Ordinal);
            }
        }

        // A bit in each block.
        for (int place = 100; place < bytes.Length; place += 4096)
        {
            bytes[place] ^= 8;
        }

        File.WriteAllBytes(file, bytes);
        Check(Record.Exception(() => Export("out")));
        Assert.Empty(Directory.GetFileSystemEntries(_run.Folder, "*out*"));

        void Check(Exception? error) =>
            Assert.StartsWith(Path.GetDirectoryName(file)!, Assert.IsType<StoreMismatchException>(error).Message, StringComparison.Ordinal);
    }

    private ExportResult Export(string name) =>
        RunExport.Write(_run["a"], _run[name], ComputeType.Float32, [], _warnings.Add, TestContext.Current.CancellationToken);
}
