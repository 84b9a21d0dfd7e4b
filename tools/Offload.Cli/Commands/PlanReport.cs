using System.Text.Json;
using Offload.Engine.Planning;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;

namespace Offload.Cli.Commands;

/// <summary>The result of <c>offload plan</c> as JSON has it. What an infeasible plan has none of is null.</summary>
/// <param name="Feasible">Whether a plan fits.</param>
/// <param name="Reasons">Why none does, a line each; of a feasible plan, what is worth knowing of it.</param>
/// <param name="StepSeconds">Time of a steady step.</param>
/// <param name="TokensPerSecond">Tokens trained on in a second.</param>
/// <param name="ModelTflops">10^12 FLOP a second by convention (docs/command-line.md).</param>
/// <param name="HardwareTflops">10^12 FLOP a second that the GPU really computes, recomputation included.</param>
/// <param name="Bottleneck">The lane that is busy longest.</param>
/// <param name="Lanes">Busy seconds of each lane.</param>
/// <param name="Memory">Bytes on each tier.</param>
/// <param name="Ssd">Traffic of a step.</param>
/// <param name="Plan">The decisions, as a plan file has them.</param>
/// <param name="Shortfalls">What is short, of the plan that comes closest.</param>
/// <param name="Advice">Changes that would help most.</param>
internal sealed record PlanReport(
    bool Feasible,
    IReadOnlyList<string> Reasons,
    double? StepSeconds,
    double? TokensPerSecond,
    double? ModelTflops,
    double? HardwareTflops,
    string? Bottleneck,
    IReadOnlyDictionary<string, double>? Lanes,
    PlanReport.MemoryBytes? Memory,
    PlanReport.SsdTraffic? Ssd,
    JsonElement? Plan,
    IReadOnlyList<PlanReport.Shortfall> Shortfalls,
    IReadOnlyList<PlanAdvice> Advice)
{
    /// <summary>Puts together what is told of a plan.</summary>
    public static PlanReport Of(TrainingPlan plan, IReadOnlyList<PlanAdvice> advice)
    {
        PredictedStep? predicted = plan.Result.Step?.Predicted;
        return new PlanReport(
            plan.Result.IsFeasible,
            plan.Result.Reasons,
            predicted?.StepSeconds,
            predicted?.TokensPerSecond,
            predicted?.ModelTflops,
            predicted?.HardwareTflops,
            predicted?.Bottleneck.ToString(),
            predicted?.Lanes.ToDictionary(lane => lane.Lane.ToString(), lane => lane.BusySeconds, StringComparer.Ordinal),
            plan.Result.Step is { Memory: var memory } ? new MemoryBytes(memory.Gpu, memory.Cpu, memory.Nvme) : null,
            predicted is null ? null : new SsdTraffic(predicted.SsdReadBytes, predicted.SsdWrittenBytes, predicted.DriveLifeDays is double days && double.IsFinite(days) ? days : null),
            plan.Saved is { } saved ? JsonElement.Parse(PlanFile.Format(saved)) : null,
            [.. plan.Result.Shortfalls.Select(one => new Shortfall(one.Tier.ToString(), one.NeededBytes, one.BudgetBytes, one.ShortBytes))],
            advice);
    }

    /// <summary>Bytes on each tier.</summary>
    internal sealed record MemoryBytes(long GpuBytes, long CpuBytes, long NvmeBytes);

    /// <summary>What a step moves to and from the drives, and how long they last; null: nothing is written, or no rating is known.</summary>
    internal sealed record SsdTraffic(long BytesReadPerStep, long BytesWrittenPerStep, double? DriveLifeDays);

    /// <summary>A tier that is too small.</summary>
    internal sealed record Shortfall(string Tier, long NeededBytes, long BudgetBytes, long ShortBytes);
}
