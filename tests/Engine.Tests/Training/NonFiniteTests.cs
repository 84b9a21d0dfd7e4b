using Offload.Engine.Training;

namespace Offload.Engine.Tests.Training;

/// <summary>A weight that is infinite makes the loss of every sequence that uses it NaN.</summary>
[Collection(nameof(ProcessWide))]
public sealed class NonFiniteTests : IDisposable
{
    private const int Width = 32;

    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public void Run_OneSequenceGivesNaN_ItsStepIsSkippedAndTrainingGoesOn()
    {
        // One Z in the text, its embedding infinite: one step of the epoch meets it.
        string text = File.ReadAllText(_run.DataFile);
        File.WriteAllText(_run.DataFile, string.Concat(text.AsSpan(0, 400), "Z", text.AsSpan(400, 400)));
        TrainingOptions options = _run.Options("all") with
        {
            ModelFolder = _run.WriteWeights("infinite", (name, values) =>
            {
                if (name == "model.embed_tokens.weight")
                {
                    values['Z' * Width] = float.PositiveInfinity;
                }
            }),
            FromScratch = false,
            EvalFraction = 0,
            TokensPerStep = 16,
            Steps = 50,
            Schedule = ScheduleKind.Constant,
            WarmupSteps = 0,
        };
        var reports = new List<StepReport>();
        TrainingResult result = TinyRun.Train(options, reports.Add);

        Assert.Equal(1, result.SkippedSteps);
        long skipped = Assert.Single(reports, report => report.Skipped).Step;
        Assert.True(double.IsNaN(reports[(int)skipped - 1].Loss));
        Assert.All(reports.Where(report => report.Step != skipped), report => Assert.True(double.IsFinite(report.Loss)));
        Assert.Equal(50, reports.Count);

        // The step itself changes nothing: neither weights nor moments.
        string before = TinyRun.Train(options with { OutputFolder = _run["before"], Steps = skipped - 1 }).WeightsHash;
        string after = TinyRun.Train(options with { OutputFolder = _run["after"], Steps = skipped }).WeightsHash;
        Assert.Equal(before, after);
    }

    [Fact]
    public void Run_EveryStepGivesNaN_StopsAtTheLimitAndNamesTheUnit()
    {
        TrainingOptions options = _run.Options("a") with
        {
            ModelFolder = _run.WriteWeights("infinite", (name, values) =>
            {
                if (name == "lm_head.weight")
                {
                    values[0] = float.PositiveInfinity;
                }
            }),
            FromScratch = false,
            Steps = 20,
            MaxSkippedSteps = 3,
        };
        var reports = new List<StepReport>();

        var error = Assert.Throws<TrainingDivergedException>(() => TinyRun.Train(options, reports.Add));

        Assert.Equal(Profiles.ExitCode.Failed, error.ExitCode);
        Assert.Contains("3 steps up to step 3 were skipped in a row", error.Message);
        Assert.Contains("the gradient of the embedding", error.Message);
        Assert.Equal(2, reports.Count);
    }

    [Fact]
    public void Run_InterruptedBetweenSkippedSteps_CountsTowardsTheLimit()
    {
        TrainingOptions options = _run.Options("a") with
        {
            ModelFolder = _run.WriteWeights("infinite", (_, values) => values[0] = float.NaN),
            FromScratch = false,
            Steps = 20,
            MaxSkippedSteps = 3,
        };
        TinyRun.TrainUntil(options, 2);

        var error = Assert.Throws<TrainingDivergedException>(() => TinyRun.Train(options with { Resume = true }));

        Assert.Contains("3 steps up to step 3", error.Message);
    }

    [Fact]
    public void Run_HugeLearningRate_NeverWritesAnythingButNumbersUnnoticed()
    {
        var reports = new List<StepReport>();
        TrainingOptions options = _run.Options("a") with { LearningRate = 1e30, WarmupSteps = 0, Steps = 30, MaxSkippedSteps = 5, MaxGradNorm = 0, EvalFraction = 0 };

        Assert.Throws<TrainingDivergedException>(() => TinyRun.Train(options, reports.Add));

        Assert.Equal(4, reports.Count(report => report.Skipped));
    }
}
