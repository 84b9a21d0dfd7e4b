using Offload.Engine.Models;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;

namespace Offload.Engine.Tests.Training;

/// <summary>Same numerics, same bits: twice, interrupted, crashed.</summary>
[Collection(nameof(ProcessWide))]
public sealed class ResumeTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData(ComputeType.Float32)]
    [InlineData(ComputeType.BFloat16)]
    public void Run_Twice_GivesTheSameBits(ComputeType type)
    {
        TrainingResult first = TinyRun.Train(_run.Options("a", type));
        TrainingResult second = TinyRun.Train(_run.Options("b", type));

        Assert.Equal(first.WeightsHash, second.WeightsHash);
        Assert.Equal(first.FinalLoss, second.FinalLoss);
        Assert.Equal(first.EvalLoss, second.EvalLoss);
        Assert.NotEqual(first.WeightsHash, TinyRun.Train(_run.Options("c", type) with { Seed = 1 }).WeightsHash);
    }

    [Theory]
    [InlineData(ComputeType.Float32)]
    [InlineData(ComputeType.BFloat16)]
    public void Run_InterruptedAtEachStep_GivesTheBitsOfTheWholeRun(ComputeType type)
    {
        TrainingResult whole = TinyRun.Train(_run.Options("whole", type));
        for (long step = 1; step < 5; step++)
        {
            TrainingOptions options = _run.Options($"after-{step}", type);
            TinyRun.TrainUntil(options, step);
            var steps = new List<long>();
            TrainingResult resumed = TinyRun.Train(options with { Resume = true }, report => steps.Add(report.Step));

            Assert.Equal(step + 1, steps[0]);
            Assert.Equal((whole.WeightsHash, whole.FinalLoss, whole.EvalLossBefore, whole.EvalLoss), (resumed.WeightsHash, resumed.FinalLoss, resumed.EvalLossBefore, resumed.EvalLoss));
        }
    }

    [Fact]
    public void Run_InterruptedBeforeTheLastEvaluation_KeepsStepsSpeedAndBytes()
    {
        TrainingResult whole = TinyRun.Train(_run.Options("whole"));
        TrainingOptions options = _run.Options("cut");
        TinyRun.TrainUntil(options, 5);

        TrainingResult resumed = TinyRun.Train(options with { Resume = true }, _ => Assert.Fail("a step was made"));

        Assert.Equal((whole.WeightsHash, whole.EvalLoss), (resumed.WeightsHash, resumed.EvalLoss));
        // One checkpoint was written; of the bytes of its commit record alone the record itself does not know.
        Assert.InRange(resumed.SsdBytesWritten, 12 * 35040, whole.SsdBytesWritten);
        Assert.InRange(resumed.SsdBytesRead - whole.SsdBytesRead, 12 * 35040, 2 * 12 * 35040);
        Assert.True(resumed.TokensPerSecond > 0);
    }

    [Fact]
    public void Run_InterruptedWhereAnEvaluationIsDue_IsCommittedThere()
    {
        TrainingOptions options = _run.Options("cut") with { EvalEverySteps = 1 };
        TinyRun.TrainUntil(options, 2);

        var steps = new List<long>();
        TinyRun.Train(options with { Resume = true }, report => steps.Add(report.Step));

        Assert.Equal(3, steps[0]);
    }

    [Fact]
    public void Run_InterruptedAfterEveryStep_GivesTheBitsOfTheWholeRun()
    {
        TrainingResult whole = TinyRun.Train(_run.Options("whole"));
        for (long step = 1; step < 5; step++)
        {
            TinyRun.TrainUntil(_run.Options("pieces") with { Resume = true }, step);
        }

        Assert.Equal(whole.WeightsHash, TinyRun.Train(_run.Options("pieces") with { Resume = true }).WeightsHash);
    }

    [Theory]
    [InlineData(3, 2)] // falls at step 3, goes on from 2
    [InlineData(1, 0)] // falls before the first commit
    public void Run_FallsBetweenCommits_GoesOnFromTheLast(long fallsAt, long committed)
    {
        TrainingResult whole = TinyRun.Train(_run.Options("whole"));
        TrainingOptions options = _run.Options("fallen") with { CheckpointEverySteps = 2 };
        TinyRun.TrainUntilKilled(options, fallsAt);

        var steps = new List<long>();
        TrainingResult resumed = TinyRun.Train(options with { Resume = true }, report => steps.Add(report.Step));

        Assert.Equal(committed + 1, steps[0]);
        Assert.Equal(whole.WeightsHash, resumed.WeightsHash);
        string[] metrics = File.ReadAllLines(Path.Combine(options.OutputFolder, "metrics.jsonl"));
        Assert.Equal(5, metrics.Count(line => line.Contains("\"gradNorm\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Resume_OptionsLeftOut_KeepsTheRunsNumerics()
    {
        TrainingResult whole = TinyRun.Train(_run.Options("whole"));
        TrainingOptions options = _run.Options("cut");
        TinyRun.TrainUntil(options, 2);

        // The model and the data need not be there any more.
        Directory.Move(_run.ModelFolder, _run["moved"]);
        File.Move(_run.DataFile, _run["moved.txt"]);
        TrainingResult resumed = TinyRun.Train(new TrainingOptions { OutputFolder = options.OutputFolder, Resume = true, Export = false });

        Assert.Equal(whole.WeightsHash, resumed.WeightsHash);
        Assert.Equal(whole.EvalLoss, resumed.EvalLoss);
    }

    [Fact]
    public void Resume_EvaluationFilesLeftOut_KeepsThem()
    {
        File.WriteAllText(_run["eval.txt"], new string('x', 400));
        TrainingOptions options = _run.Options("cut") with { EvalFiles = [_run["eval.txt"]] };
        TrainingResult whole = TinyRun.Train(options with { OutputFolder = _run["whole"] });
        TinyRun.TrainUntil(options, 2);

        TrainingResult resumed = TinyRun.Train(options with { EvalFiles = [], Resume = true });

        Assert.Equal((whole.WeightsHash, whole.EvalLoss), (resumed.WeightsHash, resumed.EvalLoss));
    }

    [Fact]
    public void Resume_OtherData_IsRefusedNamingBoth()
    {
        TrainingOptions options = _run.Options("cut");
        TinyRun.TrainUntil(options, 2);
        string other = _run["other.txt"];
        File.WriteAllText(other, new string('x', 4000));

        var data = Assert.Throws<UsageException>(() => TinyRun.Train(options with { DataFiles = [other], Resume = true }));
        var eval = Assert.Throws<UsageException>(() => TinyRun.Train(options with { EvalFiles = [other], Resume = true }));
        File.Copy(_run.DataFile, _run["renamed.txt"]);
        TrainingResult renamed = TinyRun.Train(options with { DataFiles = [_run["renamed.txt"]], Resume = true });

        Assert.Matches($"^--resume: --data: {_run.DataFile} .* before, {other} .* now$", data.Message);
        Assert.Matches($"^--resume: --eval-data: none before, {other} .* now$", eval.Message);
        Assert.Equal(5, renamed.Steps);
    }

    [Fact]
    public void Resume_OtherModelOrTokenizer_IsRefusedByFile()
    {
        TrainingOptions options = _run.Options("cut");
        TinyRun.TrainUntil(options, 2);
        string tokenizer = Path.Combine(_run.ModelFolder, "tokenizer_config.json");
        File.AppendAllText(tokenizer, "\n");

        var error = Assert.Throws<UsageException>(() => TinyRun.Train(options with { Resume = true }));

        Assert.Equal($"--resume: --model {_run.ModelFolder}: its tokenizer_config.json is not the one that the run began with", error.Message);
    }

    [Fact]
    public void Resume_NothingCommittedAndNoModel_AsksForIt()
    {
        var options = new TrainingOptions { OutputFolder = _run["none"], Resume = true };

        Assert.StartsWith("--model is missing", Assert.Throws<UsageException>(() => TinyRun.Train(options)).Message);
        Assert.StartsWith("--data is missing", Assert.Throws<UsageException>(() => TinyRun.Train(options with { ModelFolder = _run.ModelFolder })).Message);
        Assert.False(Directory.Exists(_run["none"]));
    }

    [Fact]
    public void Resume_OtherSettings_AreRefusedByName()
    {
        TrainingOptions options = _run.Options("cut");
        TinyRun.TrainUntil(options, 2);

        Check(options with { MicroBatchSequences = 3 }, "--micro-batch: 2 before, 3 now");
        Check(options with { Threads = 2 }, "--threads: 1 before, 2 now");
        Check(options with { Seed = 7 }, "--seed: 0 before, 7 now");
        Check(options with { Type = ComputeType.BFloat16 }, "--dtype: float32 before, bfloat16 now");
        Check(options with { Steps = 9 }, "--steps: 5 before, 9 now");
        Check(options with { LearningRate = 1e-4 }, "--lr: 0.001 before, 0.0001 now");
        Check(options with { Schedule = ScheduleKind.Cosine }, "--lr-schedule: linear before, cosine now");
        Check(options with { WarmupSteps = 3 }, "--warmup-steps: 0 before, 3 now");
        Check(options with { Beta2 = 0.9 }, "--beta2");

        static void Check(TrainingOptions changed, string expected)
        {
            var error = Assert.Throws<UsageException>(() => TinyRun.Train(changed with { Resume = true }));
            Assert.StartsWith("--resume: ", error.Message);
            Assert.Contains(expected, error.Message);
        }
    }

    [Fact]
    public void Run_OtherMicroBatch_IsAnotherSumInTheSamePrecision()
    {
        TrainingResult two = TinyRun.Train(_run.Options("two"));
        TrainingResult five = TinyRun.Train(_run.Options("five") with { MicroBatchSequences = 5 });

        Assert.Equal(two.FinalLoss, five.FinalLoss, 1e-4);
        Assert.NotEqual(two.WeightsHash, five.WeightsHash);
    }

    [Fact]
    public void Resume_FinishedRun_GivesItsResultAgain()
    {
        TrainingResult result = TinyRun.Train(_run.Options("a"));

        TrainingResult again = TinyRun.Train(_run.Options("a") with { Resume = true }, _ => Assert.Fail("a step was made"));

        Assert.Equal(result, again);
        Assert.Throws<UsageException>(() => TinyRun.Train(_run.Options("a")));
    }

    [Fact]
    public void Resume_UncommittedWithOtherData_TakesTheNewData()
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntilKilled(options, 1);
        File.WriteAllText(_run["other.txt"], new string('x', 4000));

        TrainingResult other = TinyRun.Train(options with { DataFiles = [_run["other.txt"]], Resume = true });

        Assert.Equal(TinyRun.Train(_run.Options("b") with { DataFiles = [_run["other.txt"]] }).WeightsHash, other.WeightsHash);
    }

    [Fact]
    public void Resume_DamagedTokens_IsAMismatchThatNamesThem()
    {
        TrainingOptions options = _run.Options("a");
        TinyRun.TrainUntil(options, 2);
        string tokens = Path.Combine(options.OutputFolder, "tokens", "train.tokens");
        byte[] bytes = File.ReadAllBytes(tokens);
        bytes[^9] ^= 1;
        File.WriteAllBytes(tokens, bytes);

        var error = Assert.Throws<StoreMismatchException>(() => TinyRun.Train(options with { Resume = true }));

        Assert.StartsWith(tokens, error.Message);
    }

    [Fact]
    public void Run_BadOption_LeavesNoFolder()
    {
        Check(_run.Options("a") with { EvalFraction = 2 }, "--eval-fraction: expected a number of at least 0 and below 1, found 2");
        Check(_run.Options("a") with { Beta1 = 1 }, "--beta1: ");
        Check(_run.Options("a") with { Beta2 = -1 }, "--beta2: ");
        Check(_run.Options("a") with { Epsilon = 0 }, "--epsilon: ");
        Check(_run.Options("a") with { WeightDecay = -1 }, "--weight-decay: ");
        Check(_run.Options("a") with { LearningRate = double.NaN }, "--lr: ");

        // Before anything else is looked at.
        static void Check(TrainingOptions options, string expected) =>
            Assert.StartsWith(expected, Assert.Throws<UsageException>(() => TinyRun.Train(options with { ModelFolder = "/nowhere" })).Message);

        Assert.False(Directory.Exists(_run["a"]));
    }
}
