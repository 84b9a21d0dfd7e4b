using Offload.Engine.Training;

namespace Offload.Cli.Commands;

/// <summary>How a run stands, as <c>offload inspect</c> tells it.</summary>
internal static class RunReport
{
    /// <summary>Writes it: JSON or lines for people.</summary>
    public static void Write(CommandContext context, RunSummary run)
    {
        if (context.Json)
        {
            context.WriteJson(new Report(run.Path, "run", run.ModelType, run.Parameters, run.Settings, run.StoreFolders, run.Step, run.SkippedSteps, run.LastLoss, run.EvalLossBefore, run.Result));
            return;
        }

        RunSettings settings = run.Settings;
        TextWriter output = context.Output;
        output.WriteLine($"{run.Path}: a run over {run.ModelType}, {run.Parameters:N0} parameters");
        output.WriteLine($"  type: {settings.Numerics.Type.ToString().ToLowerInvariant()}");
        output.WriteLine(
            $"  step: {settings.SequencesPerStep:N0} sequences of {settings.Numerics.SequenceTokens:N0} tokens, micro-batches of {settings.Numerics.MicroBatchSequences:N0}");
        output.WriteLine(
            $"  learning rate: {settings.LearningRate.Kind.ToString().ToLowerInvariant()}, peak {settings.LearningRate.Peak:G4}, {settings.LearningRate.WarmupSteps:N0} steps of warm-up");
        output.WriteLine(
            $"  AdamW: beta1 {settings.Beta1}, beta2 {settings.Beta2}, epsilon {settings.Epsilon}, weight decay {settings.WeightDecay} on {settings.WeightDecayScope.ToString().ToLowerInvariant()}, "
            + $"gradient norm {(settings.MaxGradNorm == 0 ? "not clipped" : $"at most {settings.MaxGradNorm}")}");
        output.WriteLine($"  seed {settings.Numerics.Seed}, {settings.Numerics.ComputeThreads} threads");
        output.WriteLine($"  states: {string.Join(", ", run.StoreFolders)}");
        output.WriteLine(run.Step is long step
            ? $"  committed: step {step:N0} of {settings.Steps:N0}, loss {run.LastLoss:F4}, {run.SkippedSteps:N0} steps skipped"
            : $"  committed: nothing of {settings.Steps:N0} steps yet");
        if (run.Result is { } result)
        {
            string evaluation = result.EvalLoss is double after && result.EvalLossBefore is double before ? $", evaluation loss {before:F4} -> {after:F4}" : "";
            output.WriteLine($"  finished: loss {result.FinalLoss:F4}{evaluation}; weights {result.WeightsHash}");
            output.WriteLine($"  model: {result.ModelFolder ?? "not exported; offload export writes it"}");
        }
        else
        {
            output.WriteLine("  not finished: offload train with --resume goes on");
        }
    }

    private sealed record Report(
        string Path,
        string Kind,
        string ModelType,
        long Parameters,
        RunSettings Settings,
        IReadOnlyList<string> StoreFolders,
        long? Step,
        long SkippedSteps,
        double? LastLoss,
        double? EvalLossBefore,
        TrainingResult? Result);
}
