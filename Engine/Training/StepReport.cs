namespace Offload.Engine.Training;

/// <summary>One step, for people and metrics.</summary>
/// <param name="Step">From 1.</param>
/// <param name="Steps">Of how many.</param>
/// <param name="Loss">Mean over the counted tokens.</param>
/// <param name="LearningRate">The step's.</param>
/// <param name="GradNorm">Global norm before clipping.</param>
/// <param name="TokensPerSecond">Over the last steps.</param>
/// <param name="ModelTflops">Model TFLOP/s by the convention of <see cref="Profiles.ModelProfile"/>.</param>
/// <param name="EtaSeconds">Time left at this rate.</param>
/// <param name="Skipped">No update was made: loss or gradient was not finite.</param>
/// <param name="SsdBytesRead">Bytes that the device of the states has read since the step before.</param>
/// <param name="SsdBytesWritten">Bytes that it has written since.</param>
public sealed record StepReport(
    long Step,
    long Steps,
    double Loss,
    double LearningRate,
    double GradNorm,
    double TokensPerSecond,
    double ModelTflops,
    double EtaSeconds,
    bool Skipped,
    long SsdBytesRead,
    long SsdBytesWritten);
