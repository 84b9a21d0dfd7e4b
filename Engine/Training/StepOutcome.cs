namespace Offload.Engine.Training;

/// <summary>What was decided on a step.</summary>
/// <param name="Step">From 0.</param>
/// <param name="Gradients">What it found.</param>
/// <param name="LearningRate">The step's.</param>
internal sealed record StepOutcome(long Step, StepGradients Gradients, double LearningRate)
{
    /// <summary>No update is made.</summary>
    public bool IsSkipped => !Gradients.IsFinite;

    /// <summary>What is not finite in a step that is skipped, for messages.</summary>
    public string Culprit => Gradients.NonFiniteUnit is { } unit ? $"the gradient of the {unit}" : "the loss";
}
