using Offload.Engine.Training;
using Offload.Profiles.Hardware;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Search;
using Offload.Swap.Schedules;

namespace Offload.Acceptance.Swap;

/// <summary>
/// The orders against each other, each as the planner makes it, on a model of a known ratio to a real one: 8 layers of width 5120 and steps of 163840
/// tokens, widths and tokens divided by 80. Then weights, states and activations are the square of it smaller, FLOPs the cube; with rates as much smaller, up to a
/// common factor of time, every operation takes the same part of the step as there.
/// </summary>
internal static class OrdersCheck
{
    private const double Scale = 80;

    /// <summary>So much shorter is a step here than there.</summary>
    private const double TimeScale = 10;

    private const int NumLayers = 8;
    private const int Hidden = 5120 / (int)Scale;
    private const int Vocabulary = 32_000 / (int)Scale;
    private const int SequenceTokens = 16;
    private const int SequencesPerStep = 128;
    private const double Gibi = 1L << 30;

    /// <summary>There: a 24 GiB card, of which the system and libraries keep some, and so little CPU memory that the states (35 GB) go to the drives.</summary>
    private const double GpuGiB = 22;
    private const double CpuGiB = 16;

    /// <summary>Workspace of a layer, in hidden states: what its backward computes again.</summary>
    private const int WorkspaceHiddens = 13;

    private const double MostError = 0.10;

    public static bool Run(TextWriter output)
    {
        bool holds = true;
        output.WriteLine("| devices | order | plan | bound by | simulated, s | measured, s | of layer-major |");
        output.WriteLine("|---|---|---|---|---|---|---|");
        foreach ((string name, string profile) in new[] { ("one consumer NVMe", "rtx4090-1ssd"), ("fast array", "rtx4090-4ssd") })
        {
            double? first = null;
            foreach (StepOrder order in new[] { StepOrder.LayerMajor, StepOrder.Fuyou, StepOrder.ZeroInfinity })
            {
                (double seconds, double error) = Measure(output, name, Rates(HardwareProfiles.Find(profile)), order, first);
                first ??= seconds;
                holds &= seconds >= first && Math.Abs(error) <= MostError;
            }
        }

        output.WriteLine($"layer-major is the fastest of each, simulated and measured differ by at most {MostError:P0}: {(holds ? "yes" : "no")}");
        return holds;
    }

    private static (double Seconds, double Error) Measure(TextWriter output, string name, DeviceRates rates, StepOrder order, double? first)
    {
        PlannedStep planned = Planner.Plan(Request(rates, order)).Require();
        SmallModel model = Create(planned.MicroBatchSequences);
        double predicted = ThrottledRun.Predict(model, planned.Plan, rates).PeriodSeconds;
        double seconds = ThrottledRun.Measure(model, planned.Plan, rates, numSteps: 3).StepSeconds;
        string plan = FormattableString.Invariant(
            $"{planned.Plan.Update}, delayed {planned.Plan.DelayedShare:F2}, {model.Work.NumMicroBatches} micro-batches, {Share(planned.Plan, unit => unit.States == Tier.Nvme)} of states, {Share(planned.Plan, unit => unit.Weights == Tier.Nvme)} of weights on drives");
        output.WriteLine(FormattableString.Invariant(
            $"| {name} | {order} | {plan} | {planned.Predicted.Bottleneck} | {predicted:F2} | {seconds:F2} | {seconds / (first ?? seconds):F2} |"));
        return (seconds, (predicted - seconds) / seconds);
    }

    private static string Share(SwapPlan plan, Func<UnitPlan, bool> isOf) => $"{plan.Units.Count(isOf) / (double)plan.Units.Count:P0}";

    private static SmallModel Create(int microBatchSequences) =>
        new(NumLayers, Hidden, SequenceTokens, microBatchSequences, SequencesPerStep / microBatchSequences, vocabulary: Vocabulary);

    private static Workload WorkloadOf(int microBatchSequences)
    {
        Workload work = Create(microBatchSequences).Work;
        return work with { WorkspaceBytes = WorkspaceHiddens * work.HiddenBytes };
    }

    private static PlanRequest Request(DeviceRates rates, StepOrder order) => new()
    {
        WorkloadOf = WorkloadOf,
        Model = ResidentPlanner.Profile(Create(1).Layout),
        SequenceTokens = SequenceTokens,
        SequencesPerStep = SequencesPerStep,
        Hardware = rates.ToProfile(),
        GpuBudgetBytes = (long)(GpuGiB * Gibi / (Scale * Scale)),
        CpuBudgetBytes = (long)(CpuGiB * Gibi / (Scale * Scale)),
        NvmeBudgetBytes = 1L << 40,
        // Fuyou as published updates under the backward, which clipping would forbid.
        Choices = new PlanChoices { Order = order, IsClipped = false, StopsOnNan = true },
        Costs = ThrottledRun.Costs,
    };

    /// <summary>The drives have in each direction the rate that they have while both are busy, as they are in most of a step; the bus likewise.</summary>
    private static DeviceRates Rates(HardwareProfile hardware)
    {
        const double Giga = 1e9;
        const double Tera = 1e12;
        const double OfBytes = TimeScale / (Scale * Scale);
        return new DeviceRates
        {
            FlopsPerSecond = hardware.Gpu.MatmulTflops * Tera * OfBytes / Scale,
            GpuBytesPerSecond = hardware.Gpu.MemoryGBps!.Value * Giga * OfBytes,
            H2dBytesPerSecond = hardware.Gpu.DuplexGBps * Giga * OfBytes,
            D2hBytesPerSecond = hardware.Gpu.DuplexGBps * Giga * OfBytes,
            ReadBytesPerSecond = hardware.Ssd!.MixedReadGBps * Giga * OfBytes,
            WriteBytesPerSecond = hardware.Ssd.MixedWriteGBps * Giga * OfBytes,
            UpdateParametersPerSecond = hardware.Cpu.AdamGParamsPerSecond * Giga * OfBytes,
        };
    }
}
