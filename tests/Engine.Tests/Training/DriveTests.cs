using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Engine.Tests.Training;

/// <summary>States on drives: the same bits as in memory, whatever happens on the way.</summary>
[Collection(nameof(ProcessWide))]
public sealed class DriveTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData(ComputeType.Float32, false, 4096)]
    [InlineData(ComputeType.Float32, true, 4096)]
    [InlineData(ComputeType.BFloat16, false, 4096)]
    [InlineData(ComputeType.BFloat16, true, 8192)]
    [InlineData(ComputeType.BFloat16, false, StoreDescription.DefaultTileParameters)]
    public void Run_StatesOnDrives_GivesTheBitsOfMemory(ComputeType type, bool isTied, long tileParameters)
    {
        string model = _run.WriteWeights("weights", changeConfig: config => config["tie_word_embeddings"] = isTied);
        TrainingOptions options = _run.Options("memory", type) with { ModelFolder = model, FromScratch = false, Export = true, WeightDecay = 0.5 };
        var inMemory = new List<double>();
        var onDrives = new List<double>();

        TrainingResult expected = TinyRun.Train(options, report => inMemory.Add(report.Loss));
        TrainingResult actual = TinyRun.Train(OnDrives(options, "drives", tileParameters), report => onDrives.Add(report.Loss));

        Assert.Equal((expected.WeightsHash, expected.EvalLossBefore, expected.EvalLoss), (actual.WeightsHash, actual.EvalLossBefore, actual.EvalLoss));
        Assert.Equal(inMemory, onDrives);
        foreach (string file in Directory.GetFiles(expected.ModelFolder!))
        {
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(actual.ModelFolder!, Path.GetFileName(file))));
        }

        Assert.Equal(expected.WeightsHash, RunExport.Write(_run["drives"], _run["out"], null, [], _ => { }, TestContext.Current.CancellationToken).WeightsHash);
        Assert.False(Directory.Exists(Path.Combine(_run["drives"], "checkpoint")));
    }

    [Theory]
    [InlineData(ComputeType.Float32, WeightDecayScope.All)]
    [InlineData(ComputeType.BFloat16, WeightDecayScope.Matrices)]
    public void Run_InterruptedAfterEveryStep_GivesTheBitsOfMemory(ComputeType type, WeightDecayScope scope)
    {
        TrainingOptions options = _run.Options("memory", type) with { WeightDecayScope = scope, WeightDecay = 0.5 };
        TrainingResult expected = TinyRun.Train(options);
        TrainingOptions pieces = OnDrives(options, "pieces") with { CommitEverySteps = 3 };
        TinyRun.TrainUntil(pieces, 1);
        for (long step = 2; step < 5; step++)
        {
            // The run remembers where its store is.
            TinyRun.TrainUntil(pieces with { Resume = true, NvmeFolders = [] }, step);
        }

        Assert.Equal(expected.WeightsHash, TinyRun.Train(pieces with { Resume = true }).WeightsHash);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    [InlineData(3, 2)]
    public void Run_FallsBetweenCommits_GoesOnFromTheLast(long fallsAt, long committed)
    {
        TrainingResult expected = TinyRun.Train(_run.Options("memory"));
        TrainingOptions options = OnDrives(_run.Options("fallen"), "fallen") with { CommitEverySteps = committed == 1 ? 1 : 2 };
        TinyRun.TrainUntilKilled(options, fallsAt + (committed == 1 ? 1 : 0));
        var steps = new List<long>();

        TrainingResult resumed = TinyRun.Train(options with { Resume = true }, report => steps.Add(report.Step));

        Assert.Equal(committed + 1, steps[0]);
        Assert.Equal(expected.WeightsHash, resumed.WeightsHash);
    }

    [Fact]
    public void Run_StepIsSkipped_WritesItsRecordAlone()
    {
        string text = File.ReadAllText(_run.DataFile);
        File.WriteAllText(_run.DataFile, string.Concat(text.AsSpan(0, 400), "Z", text.AsSpan(400, 400)));
        TrainingOptions options = _run.Options("memory") with
        {
            ModelFolder = _run.WriteWeights("infinite", (name, values) =>
            {
                if (name == "model.embed_tokens.weight")
                {
                    values['Z' * 32] = float.PositiveInfinity;
                }
            }),
            FromScratch = false,
            EvalFraction = 0,
            TokensPerStep = 16,
            Steps = 50,
        };
        TrainingResult expected = TinyRun.Train(options);
        var reports = new List<StepReport>();

        TrainingResult actual = TinyRun.Train(OnDrives(options, "drives"), reports.Add);

        Assert.Equal((expected.WeightsHash, 1L), (actual.WeightsHash, actual.SkippedSteps));
        int skipped = reports.FindIndex(report => report.Skipped);
        // What was written since the step before is that step's commit record.
        Assert.InRange(reports[skipped].SsdBytesWritten, 1, 64 << 10);
        Assert.Equal(0, reports[skipped].SsdBytesRead);
        Assert.InRange(reports[skipped - 1].SsdBytesWritten, 12 * 35040, 2 * 12 * 35040);
        Assert.InRange(reports[skipped - 1].SsdBytesRead, 12 * 35040, 2 * 12 * 35040);
    }

    [Fact]
    public void Run_SeveralFoldersInOneGeneration_GivesTheBitsOfMemory()
    {
        TrainingOptions options = _run.Options("memory");
        TrainingResult expected = TinyRun.Train(options);
        TrainingOptions striped = options with { OutputFolder = _run["striped"], NvmeFolders = [_run["one"], _run["two"]], SingleGeneration = true, TileParameters = 4096, RatingTerabytes = 1 };
        TinyRun.TrainUntil(striped, 2);

        TrainingResult actual = TinyRun.Train(striped with { Resume = true, NvmeFolders = [_run["two"], _run["one"]] });

        Assert.Equal(expected.WeightsHash, actual.WeightsHash);
        Assert.Equal(1e12 / actual.SsdBytesPerStep, actual.DriveLifeSteps!.Value, 1e-3);
        Assert.True(actual.DriveLifeDays > 0);
        Assert.Equal(1, StoreFiles.TryReadSummary(striped.NvmeFolders)!.Description.Generations);
    }

    [Fact]
    public void Run_UsedOrHalfMadeStore_RefusesTheOneAndReplacesTheOther()
    {
        TrainingOptions options = OnDrives(_run.Options("a"), "a");
        Directory.CreateDirectory(options.NvmeFolders[0]);
        File.WriteAllText(Path.Combine(options.NvmeFolders[0], StoreFiles.FileName + StoreFiles.PartSuffix), "half");
        string hash = TinyRun.Train(options).WeightsHash;

        foreach (bool resume in (bool[])[false, true])
        {
            var error = Assert.Throws<UsageException>(() => TinyRun.Train(options with { OutputFolder = _run["b"], Resume = resume }));
            Assert.Equal($"--nvme {options.NvmeFolders[0]}: expected no store, found one", error.Message);
            Assert.False(Directory.Exists(_run["b"]));
        }

        Assert.Equal(TinyRun.Train(_run.Options("memory")).WeightsHash, hash);
    }

    [Fact]
    public void Resume_StoreIsElsewhereOrGone_IsToldAndFound()
    {
        TrainingOptions options = OnDrives(_run.Options("a"), "a");
        TinyRun.TrainUntil(options, 2);
        Directory.Move(options.NvmeFolders[0], _run["moved"]);
        TrainingOptions resume = options with { Resume = true, NvmeFolders = [] };

        var gone = Assert.Throws<StoreMismatchException>(() => TinyRun.Train(resume));
        Assert.Throws<StoreMismatchException>(() => RunSummary.Read(_run["a"]));
        ExportResult exported = RunExport.Write(_run["a"], _run["out"], null, [_run["moved"]], _ => { }, TestContext.Current.CancellationToken);
        TinyRun.TrainUntil(resume with { NvmeFolders = [_run["moved"]] }, 3);
        // From then on the run knows.
        TrainingResult resumed = TinyRun.Train(resume);

        Assert.Equal([_run["moved"]], RunSummary.Read(_run["a"]).StoreFolders);
        Assert.StartsWith($"{options.NvmeFolders[0]}: expected the store of the run in {_run["a"]}, found none", gone.Message);
        Assert.Equal(2, exported.Step);
        Assert.Equal(TinyRun.Train(_run.Options("memory")).WeightsHash, resumed.WeightsHash);
    }

    [Fact]
    public void Resume_StoreOfAnotherRunTypeOrModel_IsAMismatchNamingBoth()
    {
        TrainingOptions options = OnDrives(_run.Options("a"), "a");
        TinyRun.TrainUntil(options, 2);
        Check(options, "run: expected ");
        Check(options with { Type = ComputeType.BFloat16 }, "dtype: expected float32, found bfloat16");
        string other = _run.WriteWeights("other", changeConfig: config => config["intermediate_size"] = 48);
        Check(options with { ModelFolder = other }, "model: expected llama of 35040 parameters (layout ");

        void Check(TrainingOptions another, string expected)
        {
            string name = $"other-{expected[..3]}";
            TinyRun.TrainUntil(OnDrives(another, name), 1);
            var error = Assert.Throws<StoreMismatchException>(() => TinyRun.Train(options with { Resume = true, NvmeFolders = [_run[name + "-nvme"]] }));
            Assert.Contains($"a store of another {expected}", error.Message);
        }
    }

    [Fact]
    public void Resume_MemoryRunWithFolders_IsRefused()
    {
        TinyRun.TrainUntil(_run.Options("a"), 2);

        var error = Assert.Throws<UsageException>(() => TinyRun.Train(OnDrives(_run.Options("a"), "a") with { Resume = true }));

        Assert.Equal("--nvme: this run keeps its states in memory", error.Message);
    }

    private TrainingOptions OnDrives(TrainingOptions options, string name, long tileParameters = 4096) =>
        options with { OutputFolder = _run[name], NvmeFolders = [_run[name + "-nvme"]], TileParameters = tileParameters };
}
