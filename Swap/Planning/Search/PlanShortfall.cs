using Offload.Swap.Schedules;

namespace Offload.Swap.Planning.Search;

/// <summary>A tier that the smallest plan does not fit on.</summary>
/// <param name="Tier">The tier.</param>
/// <param name="NeededBytes">What the plan takes there.</param>
/// <param name="BudgetBytes">What there is.</param>
public sealed record PlanShortfall(Tier Tier, long NeededBytes, long BudgetBytes)
{
    /// <summary>By how much it is short.</summary>
    public long ShortBytes => NeededBytes - BudgetBytes;
}
