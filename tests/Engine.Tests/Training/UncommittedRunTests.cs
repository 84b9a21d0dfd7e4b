using Offload.Engine.Hub;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Engine.Tests.Training;

/// <summary>Runs that end before anything was committed: nothing is in the way of the next one, and nothing is left on drives.</summary>
[Collection(nameof(ProcessWide))]
public sealed class UncommittedRunTests : IDisposable
{
    private readonly TinyRun _run = new();

    private string HalfMade => Path.Combine(_run["nvme"], StoreFiles.FileName + StoreFiles.PartSuffix);

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Resume_MakingTheStoreAnewFails_LeavesARunThatCanBegin(bool resumes)
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntilKilled(options, 1);
        string settings = Path.Combine(_run["a"], "run.json");
        Assert.True(File.Exists(settings));
        bool isRecorded = true;
        TrainingOptions failing = options with
        {
            Resume = true,
            StoreFiles = new StoreFilesOptions
            {
                Wrap = _ =>
                {
                    isRecorded = File.Exists(settings);
                    throw new StorageException("/the/drive", "write", "EIO");
                },
            },
        };

        Assert.Throws<StorageException>(() => TinyRun.Train(failing));
        TrainingResult third = TinyRun.Train(options with { Resume = resumes });

        // Also if the process had been killed there.
        Assert.False(isRecorded);
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, third.WeightsHash);
    }

    [Fact]
    public void Run_FailsBeforeTheFirstCommit_LeavesNothingOnDrives()
    {
        // The folder has no weights: they are read when the store is there.
        TrainingOptions options = _run.Options("a") with { FromScratch = false, NvmeFolders = [_run["nvme"]] };
        bool wasMade = false;
        TrainingOptions watched = options with
        {
            StoreFiles = new StoreFilesOptions
            {
                Wrap = device =>
                {
                    wasMade = File.Exists(HalfMade);
                    return device;
                },
            },
        };

        Assert.Throws<UnreadableInputException>(() => TinyRun.Train(watched));

        Assert.True(wasMade);
        Assert.False(File.Exists(HalfMade));
        Assert.False(Directory.Exists(_run["a"]));
    }

    [Fact]
    public void Resume_UncommittedRunMovesToDrives_RemovesItsEarlierStore()
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntilKilled(options, 1);
        string earlier = Path.Combine(_run["a"], "checkpoint", StoreFiles.FileName + StoreFiles.PartSuffix);
        Assert.True(File.Exists(earlier));

        TrainingResult result = TinyRun.Train(options with { Resume = true, NvmeFolders = [_run["nvme"]] });

        Assert.False(File.Exists(earlier));
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, result.WeightsHash);
    }

    [Fact]
    public void Resume_CommittedStoreIsAwayAndAnotherIsHalfMade_IsRefused()
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]] };
        TinyRun.TrainUntil(options, 2);
        Directory.Move(_run["nvme"], _run["away"]);
        Directory.CreateDirectory(_run["new"]);
        File.WriteAllText(Path.Combine(_run["new"], StoreFiles.FileName + StoreFiles.PartSuffix), "half");

        var error = Assert.Throws<StoreMismatchException>(() => TinyRun.Train(options with { Resume = true, NvmeFolders = [_run["new"]] }));

        Assert.Equal($"{_run["new"]}: expected the store of the run in {_run["a"]}, found a half-made one", error.Message);
        Assert.True(RunFolder.IsRun(_run["a"]));
        Assert.Equal(5, TinyRun.Train(options with { Resume = true, NvmeFolders = [_run["away"]] }).Steps);
    }

    [Fact]
    public void Run_TracesOfAKilledOne_AreIgnoredAndRemoved()
    {
        Directory.CreateDirectory(Path.Combine(_run["a"], "base"));
        File.WriteAllText(Path.Combine(_run["a"], "base", "config.json"), "{}");
        File.WriteAllText(Path.Combine(_run["a"], "lock"), "");
        File.WriteAllText(Path.Combine(_run["a"], "store.json"), $"{{\"folders\": [\"{_run["nvme"]}\"]}}");
        // In the way of removing the tokens' folder.
        Directory.CreateDirectory(Path.Combine(_run["a"], "tokens", "mine"));
        File.WriteAllText(_run["bad.jsonl"], "{");

        Assert.Throws<UnreadableInputException>(() => TinyRun.Train(_run.Options("a") with { DataFiles = [_run["bad.jsonl"]] }));

        Assert.Equal(["lock", "tokens"], Directory.GetFileSystemEntries(_run["a"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        File.WriteAllText(Path.Combine(_run["a"], "store.json"), $"{{\"folders\": [\"{_run["nvme"]}\"]}}");
        TinyRun.Train(_run.Options("a"));
        Assert.False(Directory.Exists(_run["nvme"]));
    }

    [Fact]
    public void Run_NvmeFolderTwiceOrInTheOutput_IsRefused()
    {
        Check([_run["one"], _run["one"] + "/"], "the folder is named twice");
        Check([_run["a"]], $"expected a folder outside of --output {_run["a"]}");
        Check([_run["a/checkpoint"]], $"expected a folder outside of --output {_run["a"]}");
        Assert.Equal(5, TinyRun.Train(_run.Options("a") with { NvmeFolders = [_run["a"] + "-nvme"] }).Steps);

        void Check(IReadOnlyList<string> folders, string expected)
        {
            var error = Assert.Throws<UsageException>(() => TinyRun.Train(_run.Options("a") with { NvmeFolders = folders }));
            Assert.Equal($"--nvme {folders[^1]}: {expected}", error.Message);
            Assert.False(Directory.Exists(_run["a"]));
        }
    }

    [Fact]
    public void Resume_OtherSettings_AreRefusedBeforeTheStoreIsOpened()
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntil(options, 2);

        Assert.Throws<UsageException>(() => TinyRun.Train(options with
        {
            Resume = true,
            LearningRate = 1e-4,
            StoreFiles = new StoreFilesOptions { Wrap = _ => throw new TimeoutException() },
        }));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Resume_InterruptedWhileLoading_MakesNoStep(bool isOnDrives)
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = isOnDrives ? [_run["nvme"]] : [] };
        TinyRun.TrainUntil(options, 2);
        using var cancellation = new CancellationTokenSource();
        TrainingOptions resume = options with
        {
            Resume = true,
            StoreFiles = new StoreFilesOptions
            {
                Wrap = device =>
                {
                    cancellation.Cancel();
                    return device;
                },
            },
        };

        Assert.Throws<OperationCanceledException>(() => TinyRun.Run(resume, null, cancellation.Token));

        Assert.Equal(2, RunSummary.Read(_run["a"]).Step);
    }

    [Fact]
    public void Fill_Cancelled_Stops()
    {
        using ResidentModel model = TinyRun.NewModel(_run.ModelFolder);

        Assert.Throws<OperationCanceledException>(() => RandomInitialization.Fill(model, seed: 1, new CancellationToken(canceled: true)));
    }
}
