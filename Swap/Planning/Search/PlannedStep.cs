namespace Offload.Swap.Planning.Search;

/// <summary>A plan that fits, and its step on the virtual clock.</summary>
public sealed record PlannedStep
{
    /// <summary>All decisions.</summary>
    public required SwapPlan Plan { get; init; }

    /// <summary>The model, cut as the plan has it. With <see cref="Plan"/> it gives the schedule.</summary>
    public required Workload Work { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    public required int MicroBatchSequences { get; init; }

    /// <summary>Generations of states on the drives: 2; 1 where there is no room for two and the update mode can do without; 0 without states there.</summary>
    public required int StoreGenerations { get; init; }

    /// <summary>Everything predicted of a steady step.</summary>
    public required PredictedStep Predicted { get; init; }

    /// <summary>Memory by tier.</summary>
    public required TierBytes Memory { get; init; }
}
