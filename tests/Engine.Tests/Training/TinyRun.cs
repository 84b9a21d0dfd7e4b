using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Offload.Engine.Data;
using Offload.Engine.Hub;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Tests.Data;
using Offload.Engine.Training;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Training;

/// <summary>Runs over the tiny model, in a folder of their own.</summary>
internal sealed class TinyRun : IDisposable
{
    private readonly TempFolder _folder = new();

    public TinyRun()
    {
        _ = TorchRuntime.Current;
        TinyModel.Write(_folder["model"]);
        TinyModel.WriteText(_folder["data.txt"]);
    }

    public string ModelFolder => _folder["model"];

    public string Folder => Path.GetDirectoryName(ModelFolder)!;

    public string DataFile => _folder["data.txt"];

    public string this[string name] => _folder[name];

    public TrainingOptions Options(string output, ComputeType type = ComputeType.Float32) => new()
    {
        ModelFolder = ModelFolder,
        FromScratch = true,
        DataFiles = [DataFile],
        OutputFolder = _folder[output],
        Steps = 5,
        SequenceTokens = 16,
        MicroBatchSequences = 2,
        TokensPerStep = 80,
        LearningRate = 1e-3,
        Type = type,
        Threads = 1,
        Export = false,
    };

    public static TrainingResult Train(TrainingOptions options, Action<StepReport>? onStep = null, TimeProvider? time = null) =>
        Run(options, onStep, TestContext.Current.CancellationToken, time);

    public static TrainingResult Run(TrainingOptions options, Action<StepReport>? onStep, CancellationToken cancellation, TimeProvider? time = null) =>
        new Trainer(options, new Observer(onStep), NullLogger<Trainer>.Instance, time ?? TimeProvider.System).Run(cancellation);

    /// <summary>Leaves a run's folders as a process does that is killed right after a step, before its commit.</summary>
    public static void TrainUntilKilled(TrainingOptions options, long step)
    {
        string[] folders = [options.OutputFolder, .. options.NvmeFolders];
        Assert.Throws<TimeoutException>(() => Train(options, report =>
        {
            if (report.Step == step)
            {
                foreach (string folder in folders)
                {
                    // Not File.Copy: it minds the locks.
                    using Process copy = Process.Start("cp", ["-a", folder, folder + ".killed"]);
                    copy.WaitForExit();
                    Assert.Equal(0, copy.ExitCode);
                }

                throw new TimeoutException();
            }
        }));
        foreach (string folder in folders)
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }

            Directory.Move(folder + ".killed", folder);
        }
    }

    /// <summary>Stops a run after a step as Ctrl-C does.</summary>
    public static void TrainUntil(TrainingOptions options, long step, Action<StepReport>? onStep = null)
    {
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Run(
            options,
            report =>
            {
                onStep?.Invoke(report);
                if (report.Step == step)
                {
                    cancellation.Cancel();
                }
            },
            cancellation.Token));
    }

    /// <summary>Writes a Hub folder with seeded weights.</summary>
    /// <param name="name">The folder.</param>
    /// <param name="changeWeights">Told each parameter's name and fp32 values.</param>
    /// <param name="changeConfig">Changes config.json.</param>
    /// <param name="type">Of the file's weights.</param>
    public string WriteWeights(
        string name, Action<string, float[]>? changeWeights = null, Action<JsonObject>? changeConfig = null, ComputeType type = ComputeType.Float32)
    {
        TinyModel.Write(_folder[name + ".base"], changeConfig);
        using ResidentModel model = NewModel(_folder[name + ".base"]);
        RandomInitialization.Fill(model, seed: 5);
        foreach (UnitLayout unit in model.Layout.Units)
        {
            foreach (ParameterInfo parameter in unit.Parameters)
            {
                var values = new float[parameter.Count];
                model.ReadMasters(unit.Index, parameter.Offset, values);
                changeWeights?.Invoke(parameter.Name, values);
                model.WriteMasters(unit.Index, parameter.Offset, values);
            }
        }

        ModelExport.Write(model, HubCompanions.Read(_folder[name + ".base"]), _folder[name], type, TestContext.Current.CancellationToken);
        return _folder[name];
    }

    /// <summary>An empty model of a folder's config, for weights alone.</summary>
    public static ResidentModel NewModel(string folder)
    {
        DecoderConfig config = HubConfig.Load(folder);
        var numerics = new RunNumerics { Type = ComputeType.Float32, SequenceTokens = 16, MicroBatchSequences = 1, Seed = 0, ComputeThreads = 1 };
        return new ResidentModel(ModelLayout.Create(config), numerics, Threads, trainable: false);
    }

    public void Dispose() => _folder.Dispose();

    private static ParallelRanges Threads { get; } = new(1);

    private sealed class Observer(Action<StepReport>? onStep) : ITrainingObserver
    {
        public void OnTokenizing(TokenizingProgress progress)
        {
        }

        public void OnStep(StepReport report) => onStep?.Invoke(report);

        public void OnEvaluation(EvalReport report)
        {
        }
    }
}
