using Offload.Profiles.Tracing;
using Offload.Swap.Schedules;

namespace Offload.Acceptance.Swap;

/// <summary>What was measured.</summary>
/// <param name="StepSeconds">From one step's end to the next one's, the median.</param>
/// <param name="Trace">All steps.</param>
/// <param name="CpuBytes">Most CPU memory that the model held.</param>
/// <param name="GpuBytes">GPU memory, workspace included.</param>
internal sealed record ThrottledResult(double StepSeconds, StepTrace Trace, long CpuBytes, long GpuBytes)
{
    /// <summary>Seconds of a step in which a lane works.</summary>
    public double BusySeconds(Lane lane) => Trace.Summaries[(int)lane].BusySeconds;

    /// <summary>The busiest lane's.</summary>
    public double BusiestSeconds => Enum.GetValues<Lane>().Max(BusySeconds);
}
