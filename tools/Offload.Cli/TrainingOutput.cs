using Offload.Engine.Data;
using Offload.Engine.Training;

namespace Offload.Cli;

/// <summary>A run's progress as lines: JSON, or text at most every two seconds.</summary>
internal sealed class TrainingOutput(CommandContext context, TimeProvider time) : ITrainingObserver
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(2);

    private long? _lastLine;

    public void OnTokenizing(TokenizingProgress progress)
    {
        if (!context.Json && IsDue())
        {
            context.Error.WriteLine($"tokenised {100.0 * progress.BytesRead / Math.Max(1, progress.TotalBytes):F0} %, {progress.NumTokens:N0} tokens");
        }
    }

    public void OnStep(StepReport report)
    {
        if (context.Json)
        {
            context.WriteJson(report);
        }
        else if (IsDue() || report.Step == report.Steps || report.Step == 1)
        {
            context.Output.WriteLine(
                $"step {report.Step,6}/{report.Steps}  loss {report.Loss:F4}  lr {report.LearningRate:E2}  norm {report.GradNorm:F3}  "
                + $"{report.TokensPerSecond:N0} tokens/s  {report.ModelTflops:F3} TFLOP/s  left {Duration(report.EtaSeconds)}");
        }
    }

    public void OnEvaluation(EvalReport report)
    {
        if (context.Json)
        {
            context.WriteJson(report);
        }
        else
        {
            context.Output.WriteLine($"step {report.Step,6}  evaluation loss {report.EvalLoss:F4}, perplexity {report.Perplexity:F2}");
        }
    }

    private static string Duration(double seconds) =>
        double.IsFinite(seconds) && seconds < 8_640_000 ? TimeSpan.FromSeconds(Math.Round(seconds)).ToString("c") : "-";

    private bool IsDue()
    {
        if (_lastLine is long last && time.GetElapsedTime(last) < LineInterval)
        {
            return false;
        }

        _lastLine = time.GetTimestamp();
        return true;
    }
}
