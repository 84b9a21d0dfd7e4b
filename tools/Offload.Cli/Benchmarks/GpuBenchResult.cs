using Offload.Engine.Profiling;
using Offload.Profiles.Hardware;

namespace Offload.Cli.Benchmarks;

/// <summary>What came of one row; numbers are null where it failed. Immutable.</summary>
internal sealed record GpuBenchResult
{
    /// <summary>The row.</summary>
    public required string Row { get; init; }

    /// <summary>Exit code of its process.</summary>
    public required int ExitCode { get; init; }

    /// <summary>Why it failed; null: it did not.</summary>
    public string? Error { get; init; }

    /// <summary>Median.</summary>
    public double? StepSeconds { get; init; }

    /// <summary>At the median.</summary>
    public double? TokensPerSecond { get; init; }

    /// <summary>10^12 FLOP a second by convention.</summary>
    public double? ModelTflops { get; init; }

    /// <summary>What the simulator said.</summary>
    public double? PredictedStepSeconds { get; init; }

    /// <summary>Predicted over measured, less 1.</summary>
    public double? PredictionError { get; init; }

    /// <summary>What the step cannot go below.</summary>
    public GpuBenchFloor? Floor { get; init; }

    /// <summary>Measured over the floor.</summary>
    public double? OfFloor { get; init; }

    /// <summary>High-water mark of GPU memory.</summary>
    public long? GpuBytes { get; init; }

    /// <summary>Its ceiling.</summary>
    public long? GpuBudgetBytes { get; init; }

    /// <summary>Resident memory of the row's process at its highest.</summary>
    public long? HostPeakBytes { get; init; }

    /// <summary><see cref="HostPeakBytes"/> over the parameters.</summary>
    public double? HostBytesPerParameter { get; init; }

    /// <summary>Share of the step in which the GPU computed nothing.</summary>
    public double? ComputeIdle { get; init; }

    /// <summary>What the planner chose, in words.</summary>
    public string? Plan { get; init; }

    /// <summary>All that was measured.</summary>
    public StepProfile? Profile { get; init; }

    /// <summary>Of a row that was measured.</summary>
    internal static GpuBenchResult Of(GpuBenchRow row, StepProfile profile, HardwareProfile hardware)
    {
        GpuBenchFloor? floor = row.NeedsDrives && hardware.Ssd is { } drives
            ? GpuBenchFloor.OfDrives(profile.NumParameters, profile.Plan.WeightShares.Nvme, drives)
            : GpuBenchFloor.OfLanes(profile);
        LaneProfile? compute = profile.Lanes.FirstOrDefault(lane => lane.Name == "Compute");
        return new GpuBenchResult
        {
            Row = row.Name,
            ExitCode = 0,
            StepSeconds = profile.StepSeconds,
            TokensPerSecond = profile.TokensPerSecond,
            ModelTflops = profile.ModelTflops,
            PredictedStepSeconds = profile.PredictedStepSeconds,
            PredictionError = (profile.PredictedStepSeconds / profile.StepSeconds) - 1,
            Floor = floor,
            OfFloor = profile.StepSeconds / floor?.Seconds,
            GpuBytes = profile.Memory.GpuBytes,
            GpuBudgetBytes = profile.Memory.GpuBudgetBytes,
            HostPeakBytes = profile.Memory.ProcessBytes,
            HostBytesPerParameter = profile.Memory.ProcessBytes / (double)profile.NumParameters,
            ComputeIdle = compute is null ? null : compute.IdleSeconds / (compute.IdleSeconds + compute.BusySeconds),
            Plan = $"{profile.Order}, {profile.Update} updates, {profile.NumMicroBatches} micro-batches of {profile.MicroBatchSequences}; weights {profile.Plan.Weights}; states {profile.Plan.States}; activations {profile.Plan.Activations}",
            Profile = profile,
        };
    }
}
