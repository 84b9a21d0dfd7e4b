using Offload.Engine.Training;

namespace Offload.Cli.Demo;

/// <summary>The demo's result: a run's, and what the model said before and after.</summary>
internal sealed record DemoResult
{
    internal DemoResult(TrainingResult run, string prompt, string sampleBefore, string sampleAfter)
    {
        FinalLoss = run.FinalLoss;
        EvalLossBefore = run.EvalLossBefore;
        EvalLoss = run.EvalLoss;
        Steps = run.Steps;
        TokensPerSecond = run.TokensPerSecond;
        WeightsHash = run.WeightsHash;
        PeakCpuBytes = run.PeakCpuBytes;
        Output = run.Output;
        ModelFolder = run.ModelFolder;
        Prompt = prompt;
        SampleBefore = sampleBefore;
        SampleAfter = sampleAfter;
    }

    public double FinalLoss { get; }

    public double? EvalLossBefore { get; }

    public double? EvalLoss { get; }

    public long Steps { get; }

    public double TokensPerSecond { get; }

    public string WeightsHash { get; }

    public long PeakCpuBytes { get; }

    public string Output { get; }

    public string? ModelFolder { get; }

    public string Prompt { get; }

    public string SampleBefore { get; }

    public string SampleAfter { get; }
}
