using System.Diagnostics;
using System.Text.Json;
using Offload.Engine.Models;
using Offload.Engine.Training;

namespace Offload.Engine.Tests.Training;

/// <summary>Steps that overlap: the loop begins one before it ends the one before.</summary>
[Collection(nameof(ProcessWide))]
public sealed class OverlapTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData(ComputeType.Float32, false, false)]
    [InlineData(ComputeType.BFloat16, true, false)]
    [InlineData(ComputeType.Float32, true, true)]
    public void Run_StepsOverlap_GivesTheBitsOfOneAfterTheOther(ComputeType type, bool isOnDrives, bool isDurable)
    {
        TrainingOptions plain = _run.Options("plain", type) with { EvalEverySteps = 3, Steps = 8 };
        TrainingResult expected = TinyRun.Train(plain);
        TrainingOptions options = plain with { OutputFolder = _run["overlapped"], NvmeFolders = isOnDrives ? [_run["nvme"]] : [], CommitEverySteps = isOnDrives ? 2 : null };

        TrainingResult actual = TinyRun.Train(new PipelinedModel.Script(isDurable).Of(options));

        Assert.Equal((expected.WeightsHash, expected.FinalLoss, expected.EvalLoss), (actual.WeightsHash, actual.FinalLoss, actual.EvalLoss));
        Assert.Equal(Lines(plain.OutputFolder), Lines(options.OutputFolder));
    }

    [Fact]
    public void Run_NothingNeedsTheModelComplete_IsAlwaysAStepAhead()
    {
        var script = new PipelinedModel.Script(IsDurable: true);
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]], EvalFraction = 0 };

        TinyRun.Train(script.Of(options), report => script.Calls.Add($"report {report.Step}"));

        Assert.Equal(
            ["begin 0", "begin 1", "end", "report 1", "begin 2", "end", "report 2", "begin 3", "end", "report 3", "begin 4", "end", "report 4", "end", "report 5", "complete"],
            script.Calls.Take(16));
        Assert.Equal([0, 1, 2, 3, 4], script.Commits);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Run_EvaluationOrCheckpointIsDue_CompletesTheModelThere(bool isCheckpoint)
    {
        var script = new PipelinedModel.Script(IsDurable: false);
        TrainingOptions options = _run.Options("a") with
        {
            EvalFraction = isCheckpoint ? 0 : null,
            EvalEverySteps = isCheckpoint ? null : 3,
            CheckpointEverySteps = isCheckpoint ? 3 : null,
        };

        TinyRun.Train(script.Of(options), report => script.Calls.Add($"report {report.Step}"));

        string calls = string.Join(", ", script.Calls);
        Assert.Contains(
            $"begin 2, end, report 2, end, report 3, complete, {(isCheckpoint ? "" : "evaluate, ")}begin 3, begin 4, end, report 4, end, report 5, complete",
            calls,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Run_CheckpointIsDueByTime_EndsWhatIsBegunFirst()
    {
        var script = new PipelinedModel.Script(IsDurable: false);
        TrainingOptions options = _run.Options("a") with { EvalFraction = 0, CheckpointEvery = TimeSpan.FromSeconds(2) };
        var clock = new Clock();

        TinyRun.Train(
            script.Of(options),
            report =>
            {
                clock.Seconds++;
                script.Calls.Add($"report {report.Step}");
            },
            clock);

        Assert.Contains("report 2, end, report 3, complete, begin 3, begin 4", string.Join(", ", script.Calls), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Run_Interrupted_CommitsWhatWasBegunAndReportsIt(bool isDurable)
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]], CommitEverySteps = 100 };
        var steps = new List<long>();

        // When step 2 is reported, step 3 is begun already.
        TinyRun.TrainUntil(new PipelinedModel.Script(isDurable).Of(options), 2, report => steps.Add(report.Step));

        Assert.Equal((3L, 3), (RunSummary.Read(_run["a"]).Step, steps.Count));
        TrainingResult resumed = TinyRun.Train(new PipelinedModel.Script(isDurable).Of(options with { Resume = true }), report => steps.Add(report.Step));
        Assert.Equal([1, 2, 3, 4, 5], steps);
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, resumed.WeightsHash);
        Assert.Equal(Lines(_run["whole"]), Lines(_run["a"]));
    }

    [Fact]
    public void Run_IsKilledRightAfterACommitAheadOfTheReport_HasTheLineOfEachCommittedStep()
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]] };
        var reported = new List<long>();
        int numReported = -1;
        var script = new PipelinedModel.Script(IsDurable: true, EndsAfterCommit: true, Fault: (place, step) =>
        {
            if (place == "committed" && step == 2)
            {
                numReported = reported.Count;
                Copy(_run["a"], _run["killed"]);
                Copy(_run["nvme"], _run["killed-nvme"]);
            }
        });
        TrainingResult expected = TinyRun.Train(script.Of(options), report => reported.Add(report.Step));
        var steps = new List<long>();

        TrainingResult resumed = TinyRun.Train(
            options with { OutputFolder = _run["killed"], NvmeFolders = [_run["killed-nvme"]], Resume = true }, report => steps.Add(report.Step));

        Assert.True(numReported <= 2);
        Assert.Equal([4, 5], steps);
        Assert.Equal(expected.WeightsHash, resumed.WeightsHash);
        Assert.Equal(Lines(_run["a"]), Lines(_run["killed"]));
        Assert.Equal([1, 2, 3, 4, 5], reported);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, false)]
    public void Run_ObserverFails_CommitsWhatWasBegun(bool isOnDrives, bool isDurable)
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = isOnDrives ? [_run["nvme"]] : [], CommitEverySteps = isOnDrives ? 100 : null };

        Assert.Throws<IOException>(() => TinyRun.Train(new PipelinedModel.Script(isDurable).Of(options), report =>
        {
            if (report.Step == 2)
            {
                throw new IOException("closed");
            }
        }));

        Assert.Equal(3, RunSummary.Read(_run["a"]).Step);
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, TinyRun.Train(options with { Resume = true }).WeightsHash);
        Assert.Equal(Lines(_run["whole"]), Lines(_run["a"]));
    }

    [Fact]
    public void Run_MetricsFailInACommit_CommitsAllTheSameAndTells()
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]] };
        string metrics = Path.Combine(_run["a"], "metrics.jsonl");
        var script = new PipelinedModel.Script(IsDurable: true, EndsAfterCommit: true, Fault: (place, step) =>
        {
            if (place == "commit" && step == 2)
            {
                File.Delete(metrics);
                Directory.CreateDirectory(metrics);
            }
        });
        var steps = new List<long>();

        Assert.Throws<Storage.StorageException>(() => TinyRun.Train(script.Of(options), report => steps.Add(report.Step)));

        Directory.Delete(metrics);
        Assert.Equal([1, 2], steps);
        Assert.InRange(RunSummary.Read(_run["a"]).Step!.Value, 3, 4);
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, TinyRun.Train(options with { Resume = true }).WeightsHash);
    }

    [Theory]
    [InlineData("begin", true)]
    [InlineData("compute", true)]
    [InlineData("compute", false)]
    [InlineData("update", true)]
    [InlineData("update", false)]
    [InlineData("commit", true)]
    public void Run_ModelFails_CommitsNothingMore(string failing, bool isDurable)
    {
        TrainingOptions options = _run.Options("a") with { NvmeFolders = [_run["nvme"]], CommitEverySteps = isDurable ? 2 : 100 };
        // The step with index 3 is that of the second commit.
        var error = new TimeoutException("the model's");
        var script = new PipelinedModel.Script(isDurable, (place, step) =>
        {
            if (place == failing && step == 3)
            {
                throw error;
            }
        });
        var reports = new List<long>();

        Exception thrown = Assert.ThrowsAny<Exception>(() => TinyRun.Train(script.Of(options), report => reports.Add(report.Step)));

        Assert.Same(error, thrown);
        // Begin fails beside the states: what is begun is completed.
        long committed = failing == "begin" ? 3 : isDurable ? 2 : 0;
        Assert.Equal(committed, RunSummary.Read(_run["a"]).Step);
        Assert.Equal(Enumerable.Range(1, reports.Count).Select(step => (long)step), reports);
        Assert.Equal(TinyRun.Train(_run.Options("whole")).WeightsHash, TinyRun.Train(options with { Resume = true }).WeightsHash);
        Assert.Equal(Lines(_run["whole"]), Lines(_run["a"]));
    }

    [Theory]
    [InlineData(true, NonFiniteAction.Skip, 2)]
    [InlineData(false, NonFiniteAction.Skip, 2)]
    [InlineData(true, NonFiniteAction.Stop, 0)]
    public void Run_Diverges_CommitsTheStepsBeforeThoughOthersAreBegun(bool isDurable, NonFiniteAction action, long committed)
    {
        var script = new PipelinedModel.Script(isDurable);
        TrainingOptions options = _run.Options("a") with
        {
            ModelFolder = _run.WriteWeights("infinite", (_, values) => values[0] = float.NaN),
            FromScratch = false,
            NvmeFolders = [_run["nvme"]],
            CommitEverySteps = isDurable ? 1 : 100,
            Steps = 20,
            MaxSkippedSteps = 3,
            OnNonFinite = action,
        };
        var reports = new List<StepReport>();

        var error = Assert.Throws<TrainingDivergedException>(() => TinyRun.Train(script.Of(options), reports.Add));

        Assert.StartsWith(committed == 0 ? "training diverged: the gradient of the embedding is not finite in step 1" : "training diverged: 3 steps up to step 3", error.Message, StringComparison.Ordinal);
        Assert.Equal(committed, reports.Count);
        Assert.Equal((committed, committed), (RunSummary.Read(_run["a"]).Step, RunSummary.Read(_run["a"]).SkippedSteps));
        Assert.DoesNotContain(committed, script.Commits);
    }

    /// <summary>Metrics without what depends on the clock and the device.</summary>
    private static string[] Lines(string folder) => [.. File.ReadAllLines(Path.Combine(folder, "metrics.jsonl")).Select(line =>
    {
        JsonElement metrics = JsonDocument.Parse(line).RootElement;
        return string.Join(' ', metrics.EnumerateObject().Where(property => property.Name is "step" or "loss" or "learningRate" or "gradNorm" or "skipped" or "evalLoss"));
    })];

    private static void Copy(string from, string to)
    {
        // Not File.Copy: it minds the locks.
        using Process copy = Process.Start("cp", ["-a", from, to]);
        copy.WaitForExit();
        Assert.Equal(0, copy.ExitCode);
    }

    private sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
