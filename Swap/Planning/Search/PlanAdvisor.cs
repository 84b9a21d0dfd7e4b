using Offload.Profiles.Hardware;

namespace Offload.Swap.Planning.Search;

/// <summary>Plans again with a machine or a step a little different, and tells what helps most. Stateless; any thread.</summary>
public static class PlanAdvisor
{
    // Simulated operations of each search: about a tenth of a second.
    private const long MaxSimulated = 100_000;

    // Below this a change is not worth a line.
    private const double LeastSaving = 0.01;

    /// <summary>The changes that save most time per token, best first.</summary>
    /// <param name="request">What was planned.</param>
    /// <param name="step">Its plan.</param>
    /// <param name="count">At most so many.</param>
    public static IReadOnlyList<PlanAdvice> Advise(PlanRequest request, PlannedStep step, int count = 3)
    {
        PlanRequest pinned = request with { Choices = request.Choices with { MicroBatchSequences = step.MicroBatchSequences } };
        var start = new ReducedModel(step.Work).Reduce(step.Plan);
        if (Search(pinned, start) is not { } now)
        {
            return [];
        }

        double secondsPerSequence = now.Seconds / request.SequencesPerStep;
        return
        [
            .. Changes(pinned, step)
                .Select(change => (change.Name, Found: Search(change.Request, now.Plan), change.Request.SequencesPerStep))
                .Where(change => change.Found is not null)
                .Select(change => new PlanAdvice(change.Name, 1 - (change.Found!.Seconds / change.SequencesPerStep / secondsPerSequence)))
                .Where(advice => advice.SavedFraction >= LeastSaving)
                .OrderByDescending(advice => advice.SavedFraction)
                .Take(count),
        ];
    }

    private static IEnumerable<(string Name, PlanRequest Request)> Changes(PlanRequest request, PlannedStep step)
    {
        const long Gibi = 1L << 30;
        HardwareProfile hardware = request.Hardware;
        yield return ("16 GiB more CPU memory", request with { CpuBudgetBytes = request.CpuBudgetBytes + (16 * Gibi) });
        yield return ("8 GiB more GPU memory", request with { GpuBudgetBytes = request.GpuBudgetBytes + (8 * Gibi) });
        yield return ("twice the tokens per step", request with { SequencesPerStep = 2 * request.SequencesPerStep });
        if (hardware.Ssd is { } ssd && step.Plan.IsDurable)
        {
            yield return ("twice the drives", request with { Hardware = hardware with { Ssd = Twice(ssd) }, NvmeBudgetBytes = 2 * request.NvmeBudgetBytes });
        }

        yield return ("a bus twice as fast", request with { Hardware = hardware with { Gpu = WithBus(hardware.Gpu, 2) } });
        yield return ("a CPU that updates twice as fast", request with
        {
            Hardware = hardware with
            {
                Cpu = hardware.Cpu with { AdamGParamsPerSecond = 2 * hardware.Cpu.AdamGParamsPerSecond, MemoryGBps = 2 * hardware.Cpu.MemoryGBps },
            },
        });
        yield return ("a GPU that computes twice as fast", request with { Hardware = hardware with { Gpu = WithCompute(hardware.Gpu, 2) } });
    }

    private static SsdProfile Twice(SsdProfile ssd) => ssd with
    {
        ReadGBps = 2 * ssd.ReadGBps,
        WriteGBps = 2 * ssd.WriteGBps,
        MixedReadGBps = 2 * ssd.MixedReadGBps,
        MixedWriteGBps = 2 * ssd.MixedWriteGBps,
        CapacityGB = 2 * ssd.CapacityGB,
        Tbw = 2 * ssd.Tbw,
    };

    private static GpuProfile WithBus(GpuProfile gpu, double factor) =>
        gpu with { H2dGBps = factor * gpu.H2dGBps, D2hGBps = factor * gpu.D2hGBps, DuplexGBps = factor * gpu.DuplexGBps };

    private static GpuProfile WithCompute(GpuProfile gpu, double factor) => gpu with
    {
        MatmulTflops = factor * gpu.MatmulTflops,
        AttentionForwardTflops = factor * gpu.AttentionForwardTflops,
        AttentionBackwardTflops = factor * gpu.AttentionBackwardTflops,
        MemoryGBps = factor * gpu.MemoryGBps,
    };

    /// <summary>A short search from a plan that is known to be good; the seeds are tried too, because a change may open another kind of plan.</summary>
    private static PlanScore? Search(PlanRequest request, SwapPlan start)
    {
        if (PublishedPlans.IsPublished(request.Choices.Order))
        {
            return PublishedPlans.FindBest(request)?.Best;
        }

        var space = new SearchSpace(request, request.Choices.MicroBatchSequences!.Value, start.Update, PlanBudget.Of(request));
        space.Try(start);
        foreach (SwapPlan seed in SearchSpace.Seeds(space.Model.Reduced, request.Choices, start.Update))
        {
            space.Try(seed);
        }

        space.Climb(request.Choices, MaxSimulated);
        return space.Best;
    }
}
