using Offload.Profiles.Tracing;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Costs;
using Offload.Swap.Schedules;

namespace Offload.Acceptance.Swap;

/// <summary>What operations of each kind take in a step: by the cost model, and measured. Shows what a prediction is off by.</summary>
internal static class KindTable
{
    public static void Write(TextWriter output, SmallModel model, SwapPlan plan, DeviceRates rates, ThrottledResult measured)
    {
        StepSchedule schedule = SwapSchedules.Train(model.Work, plan);
        var costs = new CostModel(rates.ToProfile(), model.Work, ThrottledRun.Costs);
        TraceOperation[] traced = [.. measured.Trace.Operations.Where(operation => operation.Period >= measured.Trace.NumPeriods / 2)];
        double numSteady = traced.Select(operation => operation.Period).Distinct().Count();
        output.WriteLine("  | kind | operations | by cost, s | measured, s | more for each, us |");
        output.WriteLine("  |---|---|---|---|---|");
        foreach (IGrouping<OperationKind, Operation> kind in schedule.Operations.Where(operation => operation.Guard == Guard.None).GroupBy(operation => operation.Kind))
        {
            double expected = kind.Sum(operation => costs.CostOf(operation).Seconds);
            double found = traced.Where(operation => operation.Kind == kind.Key.ToString() && schedule.Operations[operation.Index].Guard == Guard.None)
                .Sum(operation => operation.EndSeconds - operation.StartSeconds) / numSteady;
            output.WriteLine(FormattableString.Invariant(
                $"  | {kind.Key} | {kind.Count()} | {expected:F4} | {found:F4} | {(found - expected) / kind.Count() * 1e6:+0;-0} |"));
        }
    }
}
