namespace Offload.Engine.Training;

/// <summary>A step whose line of metrics is written.</summary>
/// <param name="Outcome">What was decided.</param>
/// <param name="Report">What its line says.</param>
internal sealed record RecordedStep(StepOutcome Outcome, StepReport Report);
