using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>Says why nothing fits, and what would.</summary>
internal static class Infeasibility
{
    /// <summary>What is short of the plan that comes closest, and the changes that were found to make one fit.</summary>
    public static PlanResult Explain(PlanRequest request)
    {
        if (Closest(request, PlanBudget.Of(request)) is not { } closest)
        {
            // By arithmetic it fits, and on the schedule it does not: by less than what pages round up.
            return new PlanResult { Reasons = ["the budgets are short by less than 1 %: raise them a little"] };
        }

        IReadOnlyList<PlanShortfall> shortfalls = Shortfalls(request, closest);
        return new PlanResult { Shortfalls = shortfalls, Reasons = [.. shortfalls.Select(Describe), .. Remedies(request)] };
    }

    /// <summary>Tiers on which a plan does not fit.</summary>
    /// <param name="request">Budgets.</param>
    /// <param name="memory">What the plan takes, with what the engine takes beside.</param>
    public static IReadOnlyList<PlanShortfall> Shortfalls(PlanRequest request, TierBytes memory)
    {
        var budget = new TierBytes(request.GpuBudgetBytes, request.CpuBudgetBytes, request.NvmeBudgetBytes ?? 0);
        return
        [
            .. Enum.GetValues<Tier>().Where(tier => memory[tier] > budget[tier]).Select(tier => new PlanShortfall(tier, memory[tier], budget[tier])),
        ];
    }

    /// <summary>A line.</summary>
    public static string Describe(PlanShortfall shortfall)
    {
        string name = shortfall.Tier switch
        {
            Tier.Gpu => "GPU memory",
            Tier.Cpu => "CPU memory",
            _ => "NVMe",
        };
        return $"{name}: {SizeText.Of(shortfall.ShortBytes)} short (needs {SizeText.Of(shortfall.NeededBytes)}, has {SizeText.Of(shortfall.BudgetBytes)})";
    }

    /// <summary>The smallest plan of all spaces; null: one of them fits.</summary>
    private static TierBytes? Closest(PlanRequest request, PlanBudget budget)
    {
        TierBytes? closest = null;
        double leastOver = double.PositiveInfinity;
        foreach (SearchSpace space in Planner.Spaces(request, budget))
        {
            foreach (SwapPlan seed in Seeds(space, request))
            {
                if (space.Fitter.Fit(seed, out SwapPlan smallest) is not null)
                {
                    return null;
                }

                TierBytes bytes = space.Fitter.Count(smallest);
                double over = Enum.GetValues<Tier>().Sum(tier => Math.Max(0, bytes[tier] - budget[tier]) / Math.Max(1.0, budget[tier]));
                if (over < leastOver)
                {
                    leastOver = over;
                    closest = bytes with { Cpu = bytes.Cpu + request.CpuBesideBytes };
                }
            }
        }

        return closest;
    }

    private static IEnumerable<SwapPlan> Seeds(SearchSpace space, PlanRequest request) => PublishedPlans.IsPublished(request.Choices.Order)
        ? [PublishedPlans.Least(space.Model.Reduced, request.Choices.Order, space.Update)]
        : SearchSpace.Seeds(space.Model.Reduced, request.Choices, space.Update);

    private static IEnumerable<string> Remedies(PlanRequest request)
    {
        PlanBudget budget = PlanBudget.Of(request);
        int numFound = 0;
        if (Least(budget.Cpu, bytes => Fits(request, budget with { Cpu = bytes })) is { } cpuBytes)
        {
            numFound++;
            yield return $"would fit with --cpu-memory {SizeText.Option(cpuBytes + request.CpuBesideBytes)}";
        }

        if (Least(budget.Gpu, bytes => Fits(request, budget with { Gpu = bytes })) is { } gpuBytes)
        {
            numFound++;
            yield return $"would fit with --gpu-memory {SizeText.Option(gpuBytes)}";
        }

        if (Least(Math.Max(1 << 20, budget.Nvme), bytes => Fits(request, budget with { Nvme = bytes })) is { } nvmeBytes)
        {
            numFound++;
            yield return $"would fit with --nvme on drives that have {SizeText.Option(nvmeBytes)} free";
        }

        if (request.Choices.MicroBatchSequences > 1 && Fits(request with { Choices = request.Choices with { MicroBatchSequences = 1 } }, budget))
        {
            numFound++;
            yield return "would fit with --micro-batch 1";
        }

        if (numFound == 0)
        {
            yield return "more than one budget is short: no single one of them makes it fit; a shorter --seq-len or a smaller model needs less of all";
        }
    }

    private static bool Fits(PlanRequest request, PlanBudget budget) => Closest(request, budget) is null;

    /// <summary>The least size, to 1 %, from which on it fits; null: no size does.</summary>
    private static long? Least(long fromBytes, Func<long, bool> fits)
    {
        const long Most = 1L << 50;
        if (!fits(Most))
        {
            return null;
        }

        long low = Math.Max(1 << 20, fromBytes);
        long high = low;
        while (!fits(high))
        {
            low = high;
            high *= 2;
        }

        while (high - low > high / 128)
        {
            long middle = low + ((high - low) / 2);
            (low, high) = fits(middle) ? (low, middle) : (middle, high);
        }

        return high;
    }
}
