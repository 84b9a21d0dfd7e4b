using System.Globalization;
using Offload.Engine.Planning;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;
using Offload.Swap.Schedules;

namespace Offload.Cli.Commands;

/// <summary>A plan for people.</summary>
internal static class PlanText
{
    // Idle time below this part of a step explains nothing.
    private const double LeastIdle = 0.005;

    /// <summary>Writes it.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="plan">What came of planning.</param>
    /// <param name="advice">Changes that would help.</param>
    public static void Write(TextWriter text, TrainingPlan plan, IReadOnlyList<PlanAdvice> advice)
    {
        PlanRequest request = plan.Request;
        long tokens = (long)request.SequencesPerStep * request.SequenceTokens;
        Line(text, $"{plan.Model}: {plan.NumParameters / 1e9:0.###} G parameters, {request.SequencesPerStep} sequences of {request.SequenceTokens} tokens a step ({tokens:N0} tokens), on {request.Hardware.Name}");
        if (plan.Result.Step is not { } step)
        {
            text.WriteLine("no plan fits:");
            foreach (string reason in plan.Result.Reasons)
            {
                text.WriteLine($"  {reason}");
            }

            return;
        }

        Decisions(text, step);
        Predicted(text, request, step);
        Memory(text, request, step);
        foreach (string note in plan.Result.Reasons)
        {
            text.WriteLine($"note: {note}");
        }

        if (advice.Count > 0)
        {
            text.WriteLine();
            text.WriteLine("What would help most:");
            foreach (PlanAdvice one in advice)
            {
                Line(text, $"  {one.Change}: -{one.SavedFraction:P0} time a token");
            }
        }
    }

    private static void Decisions(TextWriter text, PlannedStep step)
    {
        SwapPlan plan = step.Plan;
        text.WriteLine();
        text.WriteLine($"  order         {PlanWords.Words(plan.Order)}, updates {PlanWords.Words(plan.Update)}");
        Line(text, $"  micro-batch   {step.MicroBatchSequences} sequences, {step.Work.NumMicroBatches} a step");
        text.WriteLine($"  weights       {Tiers(step, unit => unit.Weights)}");
        text.WriteLine($"  states        {Tiers(step, unit => unit.States)}{(plan.IsDurable ? $"; every step is committed, {step.StoreGenerations} generation{(step.StoreGenerations == 1 ? "" : "s")}" : "")}");
        text.WriteLine($"  gradients     {Tiers(step, unit => unit.Gradients)}");
        text.WriteLine($"  layer inputs  {Tiers(step, unit => unit.Input)}");
        text.WriteLine($"  activations   {PlanWords.Activations(step.Work, step.Plan)}");
        Line(text, $"  slots         weights {plan.WeightSlots}, gradients {plan.GradientSlots}, activations {plan.ActivationSlots}, staging {plan.StagingSlots}, host weights {plan.HostWeightSlots}, tiles {plan.TileSlots}");
    }

    private static void Predicted(TextWriter text, PlanRequest request, PlannedStep step)
    {
        PredictedStep predicted = step.Predicted;
        text.WriteLine();
        Line(text, $"  {"step",-10} {predicted.StepSeconds,9:F3} s    {predicted.TokensPerSecond,9:N0} tokens/s");
        foreach (PredictedLane lane in predicted.Lanes.Where(lane => lane.BusySeconds > 0))
        {
            IEnumerable<string> idle = lane.IdleSeconds.Where(cause => cause.Value >= LeastIdle * predicted.StepSeconds).OrderByDescending(cause => cause.Value)
                .Select(cause => string.Create(CultureInfo.InvariantCulture, $"{cause.Key} {cause.Value:F3} s"));
            string why = string.Join(", ", idle);
            Line(
                text, $"  {lane.Lane,-10} {lane.BusySeconds,9:F3} s    {lane.BusySeconds / predicted.StepSeconds,5:P0}{(lane.Lane == predicted.Bottleneck ? "  the bottleneck" : "")}{(why.Length > 0 ? $"  waits for {why}" : "")}");
        }

        Line(text, $"  {predicted.ModelTflops:F1} model TFLOP/s (6 FLOPs a matrix parameter and token, attention at its causal half, nothing for what is computed again), {predicted.HardwareTflops:F1} really computed of {request.Hardware.Gpu.MatmulTflops:F0}");
    }

    private static void Memory(TextWriter text, PlanRequest request, PlannedStep step)
    {
        PredictedStep predicted = step.Predicted;
        text.WriteLine();
        text.WriteLine($"  GPU memory    {Sizes.Format(step.Memory.Gpu),12} of {Sizes.Format(request.GpuBudgetBytes)}");
        text.WriteLine($"  CPU memory    {Sizes.Format(step.Memory.Cpu),12} of {Sizes.Format(request.CpuBudgetBytes)}");
        if (step.Memory.Nvme > 0)
        {
            text.WriteLine($"  drives        {Sizes.Format(step.Memory.Nvme),12} of {(request.Hardware.Ssd?.CapacityGB is null ? "an unknown room" : Sizes.Format(request.NvmeBudgetBytes ?? 0))}");
        }

        if (predicted.SsdReadBytes + predicted.SsdWrittenBytes > 0)
        {
            string life = predicted.DriveLifeDays is double days && double.IsFinite(days)
                ? string.Create(CultureInfo.InvariantCulture, $"; without a pause the drives last {days:N0} days, {days * 86400 / predicted.StepSeconds:N0} steps")
                : "";
            text.WriteLine($"  SSD a step    {Sizes.Format(predicted.SsdReadBytes)} read, {Sizes.Format(predicted.SsdWrittenBytes)} written{life}");
        }
    }

    private static string Tiers(PlannedStep step, Func<UnitPlan, Tier> tierOf) => PlanWords.Tiers(step.Work, step.Plan, tierOf);

    private static void Line(TextWriter text, FormattableString line) => text.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
