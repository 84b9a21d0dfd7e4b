using Offload.Engine.Data;
using Offload.Engine.Training;
using Offload.Storage.Devices;
using Offload.Swap.Schedules;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Swapping;

/// <summary>What came of one process's work in a <see cref="SwapFaultRun"/>.</summary>
internal sealed class SwapFaultSitting : ITrainingObserver
{
    private readonly long[] _operations = new long[Enum.GetValues<Lane>().Length];

    /// <summary>Of the weights, if it came to its end.</summary>
    public string? WeightsHash { get; set; }

    /// <summary>Steps that were skipped, of those told of.</summary>
    public List<long> Skipped { get; } = [];

    /// <summary>What it ended with, if it did not.</summary>
    public Exception? Error { get; set; }

    /// <summary>The first step told of.</summary>
    public long? FirstStep { get; private set; }

    /// <summary>The last one.</summary>
    public long? LastStep { get; private set; }

    /// <summary>Steps before the last evaluation that was told of.</summary>
    public long? LastEvaluation { get; private set; }

    /// <summary>Over the store's file.</summary>
    public FaultRecorder? Store { get; set; }

    /// <summary>Over the scratch file; null: the plan needs none.</summary>
    public FaultRecorder? Scratch { get; set; }

    /// <summary>Evaluations begun.</summary>
    public long NumEvaluations { get; set; }

    /// <summary>The store's operations of a kind before the model was first used.</summary>
    public Dictionary<FaultTarget, long> Start { get; } = [];

    /// <summary>Operations that a lane has begun.</summary>
    public long NumOperations(Lane lane) => _operations[(int)lane];

    /// <summary>Counts an operation; returns how many its lane has begun before.</summary>
    public long Count(in Operation operation) => Interlocked.Increment(ref _operations[(int)operation.Lane]) - 1;

    /// <summary>The model is about to be used.</summary>
    public void NoteStart()
    {
        foreach (FaultTarget target in Enum.GetValues<FaultTarget>())
        {
            Start[target] = Store!.Count(target);
        }
    }

    public void OnTokenizing(TokenizingProgress progress)
    {
    }

    public void OnStep(StepReport report)
    {
        FirstStep ??= report.Step;
        LastStep = report.Step;
        if (report.Skipped)
        {
            Skipped.Add(report.Step);
        }
    }

    public void OnEvaluation(EvalReport report) => LastEvaluation = report.Step;
}
