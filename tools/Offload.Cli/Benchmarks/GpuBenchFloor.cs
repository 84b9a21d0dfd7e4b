using Offload.Engine.Profiling;
using Offload.Profiles.Hardware;

namespace Offload.Cli.Benchmarks;

/// <summary>The time that a step cannot go below: its slowest lane, never waiting, at the rate that the lane has alone.</summary>
/// <param name="Seconds">Of a step.</param>
/// <param name="Of">The lane; of a row on drives <c>drives, reading</c> or <c>drives, writing</c>.</param>
internal sealed record GpuBenchFloor(double Seconds, string Of)
{
    // Two generations: a step writes all of a parameter's states, 12 bytes, and reads them; the upper 16 bits of the
    // master are the compute's weight in bfloat16 and are not read if a copy of them stays in memory.
    private const double BytesWrittenPerParameter = 12;
    private const double BytesReadPerParameter = 10;
    private const double WeightBytesPerParameter = 2;

    /// <summary>Of a row whose states are in memory: by what its plan moves and computes, recomputation included.</summary>
    /// <param name="profile">Measured with a hardware profile, whose rates it has.</param>
    /// <returns>Null: the profile knows no rate of any lane that had work.</returns>
    internal static GpuBenchFloor? OfLanes(StepProfile profile) => profile.Lanes
        .Where(lane => lane.ProfileRate is > 0)
        .Select(lane => new GpuBenchFloor(lane.Amount / (lane.ProfileRate!.Value * (lane.AmountUnit == "FLOP" ? 1e12 : 1e9)), lane.Name))
        .MaxBy(floor => floor.Seconds);

    /// <summary>Of a row whose states are on drives, both directions at once; what gradients or activations add does not count.</summary>
    /// <param name="numParameters">Of the model.</param>
    /// <param name="weightsOnDrives">Share of the parameters without a copy of their weight in memory, 0 to 1.</param>
    /// <param name="drives">Their rates.</param>
    internal static GpuBenchFloor OfDrives(long numParameters, double weightsOnDrives, SsdProfile drives)
    {
        double read = numParameters * (BytesReadPerParameter + (WeightBytesPerParameter * weightsOnDrives)) / (drives.MixedReadGBps * 1e9);
        double written = numParameters * BytesWrittenPerParameter / (drives.MixedWriteGBps * 1e9);
        return read > written ? new GpuBenchFloor(read, "drives, reading") : new GpuBenchFloor(written, "drives, writing");
    }
}
