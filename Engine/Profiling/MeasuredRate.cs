namespace Offload.Engine.Profiling;

/// <summary>A rate, as samples showed it. Immutable.</summary>
/// <param name="Name">The number of the profile that it became: <c>gpu.matmulTflops</c>.</param>
/// <param name="Unit">Of all its numbers: "TFLOP/s".</param>
/// <param name="Median">What the profile gets.</param>
/// <param name="FirstDecile">A tenth of the samples was slower.</param>
/// <param name="NinthDecile">A tenth of the samples was faster.</param>
/// <param name="Samples">How many.</param>
/// <param name="Seconds">What they took together.</param>
/// <param name="What">What was done: "memcpy by one thread, 128 MiB".</param>
public sealed record MeasuredRate(string Name, string Unit, double Median, double FirstDecile, double NinthDecile, int Samples, double Seconds, string What)
{
    // Rates that differ by more than a third from one moment to another are no property of the machine.
    private const double UnsteadyRatio = 1.33;

    /// <summary>Whether the samples are too far apart for the median to mean much: something else was at work.</summary>
    public bool IsUnsteady => NinthDecile > FirstDecile * UnsteadyRatio;
}
