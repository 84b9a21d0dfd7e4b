namespace Offload.Swap.Planning.Search;

/// <summary>What the planner found.</summary>
public sealed record PlanResult
{
    /// <summary>Whether a plan fits all budgets.</summary>
    public bool IsFeasible => Step is not null;

    /// <summary>The plan and what it is predicted to do; null: nothing fits.</summary>
    public PlannedStep? Step { get; init; }

    /// <summary>Why nothing fits: a line each, what is short by how much, and what would make it fit. Of a feasible plan: what the reader should know of it.</summary>
    public IReadOnlyList<string> Reasons { get; init; } = [];

    /// <summary>What is short, of the plan that comes closest; empty if feasible, or if the request contradicts itself.</summary>
    public IReadOnlyList<PlanShortfall> Shortfalls { get; init; } = [];

    /// <summary>The plan.</summary>
    /// <exception cref="PlanInfeasibleException">Nothing fits; the message is the first reason.</exception>
    public PlannedStep Require() => Step ?? throw new PlanInfeasibleException(Reasons[0], string.Join("; ", Reasons.Skip(1)));
}
