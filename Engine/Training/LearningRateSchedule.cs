namespace Offload.Engine.Training;

/// <summary>Learning rate of each step: linear warm-up that reaches the peak right after its last step, then the chosen shape over the rest.</summary>
/// <param name="Kind">Shape.</param>
/// <param name="Peak">Highest rate.</param>
/// <param name="WarmupSteps">Steps of warm-up.</param>
/// <param name="TotalSteps">Steps of the run.</param>
public sealed record LearningRateSchedule(ScheduleKind Kind, double Peak, long WarmupSteps, long TotalSteps)
{
    /// <summary>Rate of a step.</summary>
    /// <param name="step">From 0.</param>
    public double At(long step)
    {
        if (step < WarmupSteps)
        {
            return Peak * (step + 1) / (WarmupSteps + 1);
        }

        double done = (step - WarmupSteps) / (double)Math.Max(1, TotalSteps - WarmupSteps);
        return Kind switch
        {
            ScheduleKind.Linear => Peak * Math.Max(0, 1 - done),
            ScheduleKind.Cosine => Peak * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, done))),
            ScheduleKind.Constant => Peak,
            _ => throw new InvalidOperationException($"no formula for {Kind}"),
        };
    }
}
