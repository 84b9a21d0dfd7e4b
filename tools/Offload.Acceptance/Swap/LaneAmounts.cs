using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Acceptance.Swap;

/// <summary>What a step asks of each lane.</summary>
/// <param name="Flops">Of compute.</param>
/// <param name="H2d">Bytes.</param>
/// <param name="D2h">Bytes.</param>
/// <param name="Read">Bytes.</param>
/// <param name="Written">Bytes.</param>
/// <param name="Updated">Parameters, norms counted as the updates that take as long.</param>
internal sealed record LaneAmounts(double Flops, double H2d, double D2h, double Read, double Written, double Updated)
{
    /// <summary>Of a plan's steps, as long as nothing is clipped.</summary>
    public static LaneAmounts Of(SmallModel model, SwapPlan plan)
    {
        Workload work = model.Work;
        StepSchedule schedule = SwapSchedules.Train(work, plan);
        Operation[] operations = [.. schedule.Operations.Where(operation => operation.Guard == Guard.None)];
        double Sum(Lane lane) => operations.Where(operation => operation.Lane == lane).Sum(operation => (double)operation.Amount);
        // A norm moves of a parameter its gradient, an update that and the states, in and out.
        double norms = operations.Where(operation => operation.Kind == OperationKind.GradientNorm)
            .Sum(operation => work.Units[operation.Unit].NumParameters * (double)work.GradientBytes / ((2 * work.StateBytes) + work.GradientBytes));
        return new LaneAmounts(
            operations.Sum(operation => operation.Flops + operation.AttentionFlops), Sum(Lane.H2D), Sum(Lane.D2H), Sum(Lane.SsdRead), Sum(Lane.SsdWrite), Sum(Lane.CpuUpdate) + norms);
    }

    /// <summary>Hardware on which each lane is busy for a given time.</summary>
    /// <param name="secondsOf">How long; lanes without work are as fast as the ceilings.</param>
    /// <param name="ceilings">What this machine can do at most.</param>
    public DeviceRates Rates(Func<Lane, double> secondsOf, DeviceRates ceilings)
    {
        double Rate(double amount, Lane lane, double ceiling) => amount == 0 ? ceiling : Math.Min(ceiling, amount / secondsOf(lane));
        return ceilings with
        {
            FlopsPerSecond = Rate(Flops, Lane.Compute, ceilings.FlopsPerSecond),
            H2dBytesPerSecond = Rate(H2d, Lane.H2D, ceilings.H2dBytesPerSecond),
            D2hBytesPerSecond = Rate(D2h, Lane.D2H, ceilings.D2hBytesPerSecond),
            ReadBytesPerSecond = Rate(Read, Lane.SsdRead, ceilings.ReadBytesPerSecond),
            WriteBytesPerSecond = Rate(Written, Lane.SsdWrite, ceilings.WriteBytesPerSecond),
            UpdateParametersPerSecond = Rate(Updated, Lane.CpuUpdate, ceilings.UpdateParametersPerSecond),
        };
    }
}
