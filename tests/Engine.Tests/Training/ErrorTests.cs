using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.States;

namespace Offload.Engine.Tests.Training;

/// <summary>Errors that are not the store's: the steps that were done are kept.</summary>
[Collection(nameof(ProcessWide))]
public sealed class ErrorTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("single generation")]
    [InlineData("drives")]
    [InlineData("memory")]
    public void Run_ObserverOrMetricsFail_CommitsWhatIsDone(string kind)
    {
        TrainingOptions options = _run.Options("a") with
        {
            NvmeFolders = kind == "memory" ? [] : [_run["nvme"]],
            SingleGeneration = kind == "single generation",
            CommitEverySteps = kind == "drives" ? 4 : null,
            TileParameters = 4096,
        };
        string metrics = Path.Combine(options.OutputFolder, "metrics.jsonl");

        // The standard output is a closed pipe, say.
        Assert.Throws<IOException>(() => TinyRun.Train(options, report => Fail(report.Step == 2, () => throw new IOException("closed"))));
        var steps = new List<long>();
        // Then lines cannot be written any more: at the commit of the third step, or else at the fourth's line.
        Assert.Throws<StorageException>(() => TinyRun.Train(options with { Resume = true }, report =>
        {
            steps.Add(report.Step);
            Fail(report.Step == 3, () =>
            {
                File.Delete(metrics);
                Directory.CreateDirectory(metrics);
            });
        }));
        Directory.Delete(metrics);
        TrainingResult resumed = TinyRun.Train(options with { Resume = true }, report => steps.Add(report.Step));

        Assert.Equal(kind == "single generation" ? [3, 4, 5] : [3, 5], steps);
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, resumed.WeightsHash);

        static void Fail(bool fails, Action fail)
        {
            if (fails)
            {
                fail();
            }
        }
    }

    [Fact]
    public void Run_Diverges_CommitsTheStepsBefore()
    {
        TrainingOptions options = _run.Options("a") with
        {
            ModelFolder = _run.WriteWeights("infinite", (_, values) => values[0] = float.NaN),
            FromScratch = false,
            NvmeFolders = [_run["nvme"]],
            CommitEverySteps = 100,
            Steps = 20,
            MaxSkippedSteps = 3,
        };

        Assert.Throws<TrainingDivergedException>(() => TinyRun.Train(options));

        Assert.Equal((2L, 2L), (RunSummary.Read(_run["a"]).Step, RunSummary.Read(_run["a"]).SkippedSteps));
    }

    [Fact]
    public void Run_StoreFails_CommitsNothing()
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]], CommitEverySteps = 100 };
        FaultInjectingDevice? device = null;
        long numOperations = 0;
        TinyRun.TrainUntil(OnDevice(options with { OutputFolder = _run["b"], NvmeFolders = [_run["b-nvme"]] }, new FaultPlan()), 3, report =>
            numOperations = report.Step == 2 ? device!.NumOperations : numOperations);
        TrainingOptions failing = OnDevice(options, new FaultPlan().At(numOperations + 1, Fault.Error(5)));

        Assert.Throws<StorageException>(() => TinyRun.Train(failing));

        Assert.Equal(0, RunSummary.Read(_run["a"]).Step);
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, TinyRun.Train(options with { Resume = true }).WeightsHash);

        TrainingOptions OnDevice(TrainingOptions options, FaultPlan plan) =>
            options with { StoreFiles = new StoreFilesOptions { Wrap = inner => device = new FaultInjectingDevice(inner, plan) } };
    }

    [Fact]
    public void Run_SingleGenerationWithRareCommits_IsRefused()
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]], SingleGeneration = true, CommitEverySteps = 2 };

        var error = Assert.Throws<UsageException>(() => TinyRun.Train(options));

        Assert.Equal("--commit-every 2: expected 1 with --single-generation", error.Message);
        TinyRun.TrainUntil(options with { CommitEverySteps = null }, 2);
        // The store of a resume says what it is.
        Assert.Throws<UsageException>(() => TinyRun.Train(options with { Resume = true, SingleGeneration = false }));
    }

    [Fact]
    public void Resume_SingleGenerationOfTwo_IsRefusedNamingBoth()
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]] };
        TinyRun.TrainUntil(options, 2);

        var error = Assert.Throws<UsageException>(() => TinyRun.Train(options with { Resume = true, SingleGeneration = true }));

        Assert.Equal("--resume: --single-generation: 2 generations before, 1 now", error.Message);
    }

    [Fact]
    public void Run_CheckpointTakesLong_IsNoPartOfTheRate()
    {
        var clock = new Clock();
        TrainingOptions options = _run.Options("a") with { StoreFiles = new StoreFilesOptions { Wrap = inner => clock.Device = inner } };

        // A step takes a second, each byte that is written another one.
        TrainingResult result = TinyRun.Train(options, _ => clock.Seconds++, clock);

        Assert.Equal(80, result.TokensPerSecond, 1e-6);
    }

    private sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; }

        public IBlockDevice? Device { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds + (Device?.Traffic.BytesWritten ?? 0);
    }
}
