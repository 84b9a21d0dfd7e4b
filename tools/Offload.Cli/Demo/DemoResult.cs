using System.Diagnostics.CodeAnalysis;
using Offload.Engine.Training;

namespace Offload.Cli.Demo;

/// <summary>The demo's result: all of a run's, and what the model said before and after.</summary>
internal sealed record DemoResult : TrainingResult
{
    [SetsRequiredMembers]
    internal DemoResult(TrainingResult run, string prompt, string sampleBefore, string sampleAfter)
        : base(run)
    {
        Prompt = prompt;
        SampleBefore = sampleBefore;
        SampleAfter = sampleAfter;
    }

    public string Prompt { get; }

    public string SampleBefore { get; }

    public string SampleAfter { get; }
}
